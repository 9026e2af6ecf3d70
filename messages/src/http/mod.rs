//! The HTTP interface, for backends: reading messages by user, id, conversation, sender, type and
//! time; the devices of users, and the end of their sessions.
//!
//! - [`api`]: the routes, of which [`devices`] and [`revocations`] have some; [`openapi()`]: their description, which is served at `/openapi.json`
//! - [`auth`]: service tokens; [`filters`]: query parameters; [`cursor`]: pages
//! - [`problem`]: errors; [`server`]: connections and their limits

mod api;
mod auth;
mod cursor;
mod devices;
mod filters;
mod openapi;
mod problem;
mod revocations;
mod server;

pub use api::{HttpService, router};
pub use auth::{InvalidKey, ServiceTokens};
pub use openapi::openapi;
pub use server::serve;
