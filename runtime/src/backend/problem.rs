//! Errors, as backends see them: the shape of the client protocol's errors, in a problem document.

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// What went wrong, for programs.
    pub code: ProblemCode,
    /// Which parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What went wrong and what would be right, for people.
    pub text: String,
    /// The same request may succeed later.
    pub temporary: bool,
    /// Milliseconds to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The scope that the service token lacks, for the challenge.
    #[serde(skip)]
    pub scope: Option<&'static str>,
}

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// 400: a parameter is unknown, wrong or outside of its limits; `field` names it.
    BadParameter,
    /// 401: there is no valid service token.
    Unauthorized,
    /// 403: the service token does not allow this, or the user on whose behalf it is asked may not do it.
    Forbidden,
    /// 404: there is no such message, user, device or path.
    NotFound,
    /// 405: the path takes another method.
    MethodNotAllowed,
    /// 409: the reference was used for other content within the last 7 days.
    ReferenceConflict,
    /// 413: the body is too large.
    TooLarge,
    /// 500: a record cannot be read.
    Internal,
    /// 503: the storage cannot be reached, or there is too much to do. Temporary.
    Unavailable,
}

impl ProblemCode {
    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadParameter => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ReferenceConflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// How long to wait when the service cannot answer, in seconds.
const RETRY_AFTER: u64 = 1;

impl Problem {
    /// A problem of this code, with a text for people.
    pub fn new(code: ProblemCode, text: impl Into<String>) -> Self {
        let temporary = code == ProblemCode::Unavailable;
        let retry_after = temporary.then_some(RETRY_AFTER * 1000);
        Self { code, field: None, text: text.into(), temporary, retry_after, scope: None }
    }

    /// A parameter, or a field of the body, is wrong.
    pub fn parameter(name: &str, text: impl ToString) -> Self {
        Self {
            field: Some(name.to_owned()),
            ..Self::new(ProblemCode::BadParameter, text.to_string())
        }
    }

    /// A service behind this one does not answer.
    pub fn unavailable(text: &str) -> Self {
        Self::new(ProblemCode::Unavailable, text)
    }

    /// There is no such thing.
    pub fn not_found(text: &str) -> Self {
        Self::new(ProblemCode::NotFound, text)
    }
}

/// The body of a request, where it could be read.
///
/// # Errors
/// Above all when it is too large.
pub fn body(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(ProblemCode::TooLarge, "the body is larger than this path takes")
        }
        _ => Problem::parameter("body", "could not be read to its end"),
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A plain struct of strings and numbers: writing it cannot fail.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let challenge = match self.code {
            ProblemCode::Unauthorized => Some("Bearer realm=\"chatcluster\"".to_owned()),
            _ => self
                .scope
                .map(|scope| format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"")),
        };
        if let Some(challenge) = challenge.and_then(|challenge| challenge.try_into().ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.retry_after.is_some() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}
