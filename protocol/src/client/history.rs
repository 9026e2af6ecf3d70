//! Reading what was said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MediaRange, Message, RequestId};
use crate::{
    Millis,
    id::{ConversationId, MessageId, UserId},
    limits::TIME,
};

/// A page of a conversation that the user takes part in. With `after` it goes forward in time, else
/// backward from `before` or from the newest message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend(
    "oneOf" = [{ "required": ["conversation"] }, { "required": ["user"] }],
    "not" = { "required": ["before", "after"] },
))]
pub struct History {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// Which conversation: either this or `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// The conversation with this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Only messages with a lower id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<MessageId>,
    /// Only messages with a higher id; the lowest come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<MessageId>,
    /// Only messages of this sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserId>,
    /// Only messages whose content has this type: a media type, or `image/*` for all of a family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaRange>,
    /// Only messages of this time or later, milliseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = TIME))]
    pub since: Option<Millis>,
    /// Only messages before this time, milliseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = TIME))]
    pub until: Option<Millis>,
    /// Most messages in the answer, 50 where none is named. There may be fewer although more exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
}

/// Answers `history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPage {
    /// The id of the `history`.
    pub id: RequestId,
    /// In the order of the request: rising ids with `after`, else falling ones.
    pub messages: Vec<Message>,
    /// There is more: ask again with this as `before` or `after`. Forward pages never point beyond
    /// `stable_up_to`, so messages may come twice and none is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<MessageId>,
    /// Milliseconds UTC: what is older never changes again, except by removal.
    pub stable_up_to: Millis,
}
