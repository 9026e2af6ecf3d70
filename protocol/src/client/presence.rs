//! Who is online, and who may see it. Told to whoever is connected, and never stored in an inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::{Millis, id::UserId};

/// Whom this session watches, in place of those that it watched before. Answered with the state of each;
/// changes follow as pushes. It ends with the session: to be repeated after each `welcome`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// At most 100. An empty list ends it.
    #[schemars(length(max = 100))]
    pub users: Vec<UserId>,
}

/// Answers `presence`, with all users that it names; or, without `id`, a push with those of whom something has
/// changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Presences {
    /// The id of the `presence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Each once.
    pub users: Vec<UserPresence>,
}

/// Whether a user is online. Whoever does not let this user see it looks like somebody of whom nothing is
/// known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPresence {
    /// Who.
    pub user: UserId,
    /// One of their devices is connected.
    pub online: bool,
    /// When the last one of them was, milliseconds UTC, give or take minutes; where that is known, and not
    /// while they are online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Millis>,
}

/// Sets who may see when the user is online, or asks who may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Privacy {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// Who may from now on; without it nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_to: Option<PresenceTo>,
}

/// Answers `privacy`: the setting is stored. Without this answer send the `privacy` again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrivacyIs {
    /// The id of the `privacy`.
    pub id: RequestId,
    /// Who may see when the user is online, within about a minute.
    pub presence_to: PresenceTo,
}

/// Who may see when a user is online.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PresenceTo {
    /// Nobody but the user.
    Nobody,
    /// Those whom the user has written to.
    #[default]
    Contacts,
    /// All users.
    Everybody,
}
