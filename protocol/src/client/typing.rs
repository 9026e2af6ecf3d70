//! Somebody is typing: told to whoever is connected, and never stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::id::{ConversationId, UserId};

/// The user is typing to somebody, or has stopped. It is passed on to devices that are connected now, or to
/// nobody; there is no answer. To be repeated every 3 s while it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Typing {
    /// Chosen by the client; only an `error` carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// To whom.
    pub to: TypedTo,
    /// `false`: the user has stopped, and no message follows. A message says so by itself.
    #[serde(default = "active", skip_serializing_if = "is_active")]
    pub active: bool,
}

/// Who is told of it: not everybody in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TypedTo {
    /// One user.
    User(UserId),
}

fn active() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_active(active: &bool) -> bool {
    *active
}

/// Push: somebody is typing. To be shown for this long, unless another one of that user in that
/// conversation comes before, or a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IsTyping {
    /// Who.
    pub from: UserId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// How long to show it, in milliseconds from its arrival; 0 when the user has stopped.
    pub expires_in: u64,
}
