//! The message service, as the gateway calls it: gRPC over mutual TLS, connected when it is first
//! needed and again whenever the connection was lost.
//!
//! Every call is answered or fails within a deadline. Appends and acknowledgements of many sessions
//! leave together ([`batch`]); the others go one by one. What a failure means is up to the core.

mod batch;
mod batched;
mod calls;
mod convert;
mod service;

pub use calls::Messages;
pub use service::{Service, ServiceError};
