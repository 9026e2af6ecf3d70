//! The HTTP port for backends: sending for users, and their connections. Reading what is stored is the message
//! service's.
//!
//! - [`messages`]: one message; [`broadcasts`]: the same to many
//! - [`connections`]: where users are connected, and the end of that
//! - [`presence`]: whether a user is online
//! - [`openapi()`]: the description, which is served at `/openapi.json`
//!
//! Tokens, errors and connections are as on every port for backends: [`chatcluster_runtime::backend`].

mod broadcasts;
mod connections;
mod messages;
mod openapi;
mod presence;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    routing::{delete, get, post},
};
use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::{client::parsed, id::UserId};
use chatcluster_runtime::backend::{self, Problem, ServiceTokens, counted, described, require};
pub use openapi::openapi;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::hub::Hub;

/// What a service token's `scope` may contain.
mod scope {
    /// Messages are sent with this.
    pub(super) const SEND: &str = "messages:send";
    /// Connections are listed with this, and presence is shown.
    pub(super) const READ: &str = "connections:read";
    /// Connections are ended with this.
    pub(super) const CLOSE: &str = "connections:close";
}

/// What requests are counted as.
const NAMES: &[(&str, &str)] = &[
    (openapi::MESSAGES, "send"),
    (openapi::BROADCASTS, "broadcast"),
    (openapi::CONNECTIONS, "connections"),
    (openapi::CONNECTION, "connection"),
    (openapi::PRESENCE, "presence"),
];

/// Largest body with one message, in bytes: its text grows sixfold at most in JSON.
const BODY: usize = 256 * 1024;

/// Largest body with the names of as many users as one may have.
const BROADCAST_BODY: usize = 512 * 1024;

type Gateway<M> = State<Arc<Hub<M>>>;

/// The routes.
pub fn router<M: Manager>(hub: Arc<Hub<M>>, tokens: &Arc<ServiceTokens>) -> Router {
    let sends = Router::new()
        .route(openapi::MESSAGES, post(messages::send::<M>))
        .layer(DefaultBodyLimit::max(BODY));
    let broadcasts = Router::new()
        .route(openapi::BROADCASTS, post(broadcasts::send::<M>))
        .layer(DefaultBodyLimit::max(BROADCAST_BODY));
    let sends = sends.merge(broadcasts);
    let reads = Router::new()
        .route(openapi::CONNECTIONS, get(connections::list::<M>))
        .route(openapi::PRESENCE, get(presence::show::<M>));
    let ends = Router::new()
        .route(openapi::CONNECTIONS, delete(connections::end_all::<M>))
        .route(openapi::CONNECTION, delete(connections::end_one::<M>));
    let routes = require(sends, tokens, scope::SEND)
        .merge(require(reads, tokens, scope::READ))
        .merge(require(ends, tokens, scope::CLOSE));
    let calls = hub.metrics().backend.clone();
    counted(described(routes, &openapi()), calls, NAMES).with_state(hub)
}

fn user(name: &str) -> Result<UserId, Problem> {
    name.parse().map_err(|error| Problem::parameter("user", error))
}

fn away(_: gateway_core::Away) -> Problem {
    Problem::unavailable("the WebSocket manager did not answer")
}

/// Reads a body; what is wrong is named by its field.
fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let body = backend::body(body)?;
    let text =
        std::str::from_utf8(&body).map_err(|_| Problem::parameter("body", "must be UTF-8"))?;
    if !text.trim_start().starts_with('{') {
        return Err(Problem::parameter("body", "must be a JSON object"));
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Err(Problem::parameter("body", format!("must be JSON: {error}")));
    }
    parsed(text).map_err(|error| {
        let parent = error.field.filter(|field| field != ".");
        // An unknown member is reported at its parent.
        let unknown = error.text.strip_prefix("unknown field `");
        let field = match (parent, unknown.and_then(|rest| rest.split('`').next())) {
            (Some(path), Some(name)) if path.rsplit('.').next() != Some(name) => {
                format!("{path}.{name}")
            }
            (Some(path), _) => path,
            (None, Some(name)) => name.to_owned(),
            (None, None) => "body".to_owned(),
        };
        Problem::parameter(&field, error.text)
    })
}
