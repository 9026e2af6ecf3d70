//! What all HTTP ports for backends have in common: service tokens with scopes, errors as problem documents,
//! a description of themselves, and bounds.
//!
//! - [`ServiceTokens`], [`require`]: whose requests are answered
//! - [`Problem`], [`query`]: what is answered otherwise
//! - [`described`], with the pieces in [`openapi`]
//! - [`counted`]: what was asked, and how it ended
//! - [`serve`], [`spawn`]: connections and their limits

mod counted;
pub mod openapi;
mod problem;
pub mod query;
mod server;
mod tokens;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
pub use counted::{Call, counted};
pub use problem::{Problem, ProblemCode, body};
use serde_json::Value;
pub use server::{serve, spawn};
pub use tokens::{InvalidKey, ServiceTokens, require};

/// Routes with what every port has: its description at `/openapi.json`, `/health`, and answers for what does
/// not exist. These ask for no token.
pub fn described<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    document: &Value,
) -> Router<S> {
    // Encoded once: it never changes.
    let document: Arc<str> = format!("{document:#}").into();
    routes
        .route("/openapi.json", get(describe).layer(Extension(document)))
        .route("/health", get(async || Json(serde_json::json!({ "status": "ok" }))))
        .fallback(async || Problem::not_found("there is no such path; see /openapi.json"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                ProblemCode::MethodNotAllowed,
                "this path takes another method; see /openapi.json",
            )
        })
}

async fn describe(Extension(document): Extension<Arc<str>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}
