//! The HTTP interface, for backends: reading messages by user, id, conversation, sender, type and
//! time; the devices of users, and the end of their sessions.
//!
//! - [`api`]: the routes, of which [`devices`] and [`revocations`] have some; [`openapi()`]: their description, which is served at `/openapi.json`
//! - [`filters`]: query parameters; [`cursor`]: pages
//!
//! Tokens, errors and connections are as on every port for backends: [`chatcluster_runtime::backend`].

mod api;
mod cursor;
mod devices;
mod filters;
mod openapi;
mod revocations;

pub use api::{HttpService, router};
use chatcluster_runtime::backend::{Problem, ProblemCode};
use messages_core::repository::RepositoryError;
pub use openapi::openapi;

/// What a service token's `scope` may contain.
mod scope {
    /// Everything is read with this.
    pub(super) const READ: &str = "messages:read";
    /// Devices are removed with this.
    pub(super) const DEVICES: &str = "devices:write";
    /// Sessions are ended with this.
    pub(super) const SESSIONS: &str = "sessions:write";
}

fn problem(error: RepositoryError) -> Problem {
    let code = match error {
        RepositoryError::Busy | RepositoryError::Unavailable(_) => ProblemCode::Unavailable,
        RepositoryError::Corrupt(_) | RepositoryError::TooManyDevices => ProblemCode::Internal,
    };
    Problem::new(code, error.to_string())
}
