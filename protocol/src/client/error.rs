//! Errors, as clients see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CloseCode, RequestId};
use crate::id::Reference;

/// A request failed, or the connection ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// The id of the request, where it had one that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// The reference of the `send` that failed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// Which field of the request, such as `to.user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What went wrong and what would be right, for people.
    pub text: String,
    /// The same request may succeed later.
    pub temporary: bool,
    /// Milliseconds to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Error {
    /// An error of this code.
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            id: None,
            reference: None,
            code,
            field: None,
            text: text.into(),
            temporary: code.is_temporary(),
            retry_after: None,
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not a JSON object with a `type`, or not text. Ends the connection with 4202.
    BadFrame,
    /// No frame of this `type` exists in this version of the protocol.
    UnknownType,
    /// A field is missing, of the wrong type, or outside of its limits; `field` names it.
    BadField,
    /// The first frame was not `hello`. Ends the connection with 4202.
    HelloExpected,
    /// A second `hello` on one connection. Ends the connection with 4202.
    HelloRepeated,
    /// No `hello` came in time. Ends the connection with 4203.
    HelloTimeout,
    /// The token is not valid: forged, of the wrong audience or issuer, not a JWT, or in `refresh` one of
    /// another user. Ends the connection with 4200, unless it answers a `refresh`.
    BadToken,
    /// The token has expired. Ends the connection with 4201, unless it answers a `refresh`.
    TokenExpired,
    /// The user may not do this, such as reading a conversation of others, or changing a group.
    Forbidden,
    /// The group has as many members as one may have.
    GroupFull,
    /// The reference was used for other content within the last 7 days.
    ReferenceConflict,
    /// Too many requests of this kind without an answer; this one was not taken. Temporary.
    TooManyInFlight,
    /// More sends, or more other requests, than one user may make in this time; this one was not taken.
    /// Temporary.
    RateLimited,
    /// The user has as many devices as one may have.
    TooManyDevices,
    /// The token was issued before tokens of the user or the device were revoked, or the device was removed.
    /// Ends the connection with 4206, unless it answers a `refresh`.
    Revoked,
    /// A service behind the gateway did not answer. A `send` has an unknown outcome: send the same
    /// reference again. Temporary.
    Unavailable,
    /// The gateway watches as many users as it can: `presence` is refused, and nothing has changed. Temporary.
    Overloaded,
    /// A code of a newer gateway.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl ErrorCode {
    /// Whether the same request may succeed later.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::TooManyInFlight | Self::RateLimited | Self::Unavailable | Self::Overloaded
        )
    }

    /// The close code that follows, where the error ends the connection. One that answers a `refresh`
    /// never does.
    pub const fn close(self) -> Option<CloseCode> {
        match self {
            Self::BadFrame | Self::HelloExpected | Self::HelloRepeated => {
                Some(CloseCode::Violation)
            }
            Self::HelloTimeout => Some(CloseCode::HelloTimeout),
            Self::BadToken => Some(CloseCode::BadToken),
            Self::TokenExpired => Some(CloseCode::TokenExpired),
            Self::Revoked => Some(CloseCode::Revoked),
            _ => None,
        }
    }
}
