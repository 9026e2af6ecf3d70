//! How far a user has read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::id::{ConversationId, MessageId};

/// The user has read a conversation up to a message. Marks only rise: a lower one changes nothing.
/// Everybody else in the conversation gets a receipt of kind `read`, and so do the user's other devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Read {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// The highest message that was read, and with it all lower ones.
    pub up_to: MessageId,
}

/// Answers `read`: the mark is stored. Without this answer send the `read` again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Marked {
    /// The id of the `read`.
    pub id: RequestId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// Where the user's mark is now: the highest message of the conversation at or below what was asked
    /// for, or higher where another device of the user has read further.
    pub up_to: MessageId,
}
