//! Asking who has received and read a message. In a conversation of two receipts say so by themselves; in
//! a group, where a thousand members would send a thousand of them for each message, who wrote asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::id::{MessageId, UserId};

/// How many have received and read a message that the user sent, as of now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptsRequest {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// Which message.
    pub message: MessageId,
    /// Whether to name each of those whom it is for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub members: bool,
}

/// Answers `receipts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipts {
    /// The id of the `receipts`.
    pub id: RequestId,
    /// Which message.
    pub message: MessageId,
    /// How many users it is for: all who may read it, without its sender.
    pub of: u32,
    /// How many of them have it on a device.
    pub delivered: u32,
    /// How many of them have read it.
    pub read: u32,
    /// Each of them, by name, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberReceipt>>,
}

/// What one user has of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberReceipt {
    /// Who.
    pub user: UserId,
    /// A device of theirs has acknowledged it, or they have read it.
    pub delivered: bool,
    /// They have read it.
    pub read: bool,
}

impl Receipts {
    /// The answer to a request, counted.
    pub fn of(request: &ReceiptsRequest, members: Vec<MemberReceipt>) -> Self {
        let count =
            |is: fn(&MemberReceipt) -> bool| members.iter().filter(|one| is(one)).count() as u32;
        Self {
            id: request.id,
            message: request.message,
            of: members.len() as u32,
            delivered: count(|one| one.delivered),
            read: count(|one| one.read),
            members: request.members.then_some(members),
        }
    }
}
