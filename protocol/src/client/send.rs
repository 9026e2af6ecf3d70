//! Sending.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, RequestId};
use crate::{
    Millis,
    id::{ConversationId, GroupId, MessageId, Reference, UserId},
};

/// A message for somebody. Without an answer its outcome is unknown: send it again under the same
/// reference, on any connection, until there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Send {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// The client's own name for this message, unique on this device. Repeating it is safe for 7 days.
    #[serde(rename = "ref")]
    pub reference: Reference,
    /// Who gets it.
    pub to: Recipient,
    /// What it says.
    pub content: Content,
    /// The highest message id that the device has seen over another connection since this one's `hello`.
    /// The message gets a higher one. At most 60 s in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<MessageId>,
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// One user, on all devices.
    User(UserId),
    /// Everybody in a group, on all devices.
    Group(GroupId),
}

impl Recipient {
    /// It is a group.
    pub const fn is_group(&self) -> bool {
        matches!(self, Self::Group(_))
    }

    /// The conversation that a message of this sender belongs to.
    pub fn conversation(&self, sender: &UserId) -> ConversationId {
        match self {
            Self::User(user) => ConversationId::between(sender, user),
            Self::Group(group) => (*group).into(),
        }
    }
}

/// Answers `send`: the message is stored in the inbox of every device of its recipients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    /// The id of the `send`.
    pub id: RequestId,
    /// The reference of the `send`.
    #[serde(rename = "ref")]
    pub reference: Reference,
    /// The message's id. In one conversation the ids of one sender go up in the order sent.
    pub message: MessageId,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// When it was accepted, milliseconds UTC.
    pub at: Millis,
}
