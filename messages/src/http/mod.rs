//! The HTTP interface, for backends: reading messages by user, id, conversation, sender and time.
//!
//! - [`api`]: the routes; [`openapi()`]: their description, which is served at `/openapi.json`
//! - [`auth`]: service tokens; [`filters`]: query parameters; [`cursor`]: pages
//! - [`problem`]: errors; [`server`]: connections and their limits

mod api;
mod auth;
mod cursor;
mod filters;
mod openapi;
mod problem;
mod server;

pub use api::{HttpService, router};
pub use auth::{InvalidKey, ServiceTokens};
pub use openapi::openapi;
pub use server::serve;
