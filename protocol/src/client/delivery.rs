//! Receiving.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Recipient, RequestId};
use crate::{
    Millis,
    id::{ConversationId, DeviceId, MessageId, UserId},
};

/// A message, as a push and as a line of history. Insert it by its id: a late lower id goes to its
/// place. Two ids with the same low 62 bits are one message: show it once and acknowledge both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// The message's id.
    pub message: MessageId,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// Who sent it.
    pub from: UserId,
    /// From which device.
    pub device: DeviceId,
    /// To whom.
    pub to: Recipient,
    /// When it was accepted, milliseconds UTC.
    pub at: Millis,
    /// What it says.
    pub content: Content,
}

/// What the device has kept. It leaves the device's inbox, and senders get a receipt. There is no
/// answer: what was not removed is pushed again, and acknowledging it again does no harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    /// Chosen by the client; only an `error` carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub messages: Vec<MessageId>,
    /// Receipts, by their `receipt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub receipts: Vec<MessageId>,
}

/// Push: how far a user has received what this user sent in a conversation, or has read it; where it is
/// of this user, another device of theirs has read that far. A newer receipt of the same kind,
/// conversation and user replaces an older one. Like a message it waits in the inbox until it is
/// acknowledged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The receipt's own id, for `ack`.
    pub receipt: MessageId,
    /// What happened.
    pub kind: ReceiptKind,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Who received, or has read.
    pub user: UserId,
    /// The highest id that this is true of. Received: it is true of all lower ones that this user sent in
    /// the conversation. Read: of all lower ones, whoever sent them.
    pub up_to: MessageId,
    /// When, milliseconds UTC.
    pub at: Millis,
}

/// What a receipt tells.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// A device of the user has acknowledged it.
    Delivered,
    /// The user has read it.
    Read,
    /// A kind of a newer gateway.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}
