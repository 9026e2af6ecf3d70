//! A fresh token for an open session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::Millis;

/// A fresh token of the session's user. From the answer on the session lasts as long as this one does,
/// also where that is shorter. A token that is refused ends nothing: the session goes on until the one
/// that it has expires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refresh {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// A JWT whose `sub` is the session's user.
    #[schemars(length(max = 8192))]
    pub token: String,
}

/// Answers `refresh`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refreshed {
    /// The id of the `refresh`.
    pub id: RequestId,
    /// When the session ends by its new token, milliseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Millis>,
}

/// Push: the session's token expires soon. Once for each token: 60 s before, or halfway to it where the
/// token had less than 120 s left when it was verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expiring {
    /// When the session ends unless a `refresh` comes before, milliseconds UTC.
    pub expires: Millis,
}
