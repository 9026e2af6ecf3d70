//! Asking for what was said.

use chatcluster_protocol::{
    Millis,
    client::{History, MediaRange, RequestId},
    id::{ConversationId, MessageId, UserId},
};

/// Which page of which conversation. With `after` it goes forward in time, else backward from
/// `before` or from the newest message.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryQuery {
    of: Of,
    /// Only messages with a lower id; not together with `after`.
    pub before: Option<MessageId>,
    /// Only messages with a higher id, the lowest first.
    pub after: Option<MessageId>,
    /// Only messages of this sender.
    pub sender: Option<UserId>,
    /// Only messages whose content has this type: `image/png`, or `image/*` for all of a family.
    pub content_type: Option<MediaRange>,
    /// Only messages of this time or later, milliseconds UTC.
    pub since: Option<Millis>,
    /// Only messages before this time, milliseconds UTC.
    pub until: Option<Millis>,
    /// Most messages in the page, 1 to 100; 50 where none is named.
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
enum Of {
    User(UserId),
    Conversation(ConversationId),
}

impl HistoryQuery {
    /// The conversation with this user.
    pub fn with(user: UserId) -> Self {
        Self::new(Of::User(user))
    }

    /// This conversation.
    pub fn of(conversation: ConversationId) -> Self {
        Self::new(Of::Conversation(conversation))
    }

    fn new(of: Of) -> Self {
        Self {
            of,
            before: None,
            after: None,
            sender: None,
            content_type: None,
            since: None,
            until: None,
            limit: None,
        }
    }
}

impl From<HistoryQuery> for History {
    fn from(query: HistoryQuery) -> Self {
        let (user, conversation) = match query.of {
            Of::User(user) => (Some(user), None),
            Of::Conversation(conversation) => (None, Some(conversation)),
        };
        let HistoryQuery { of: _, before, after, sender, content_type, since, until, limit } =
            query;
        Self {
            // The core gives the request its number when it is written.
            id: RequestId::MAX,
            conversation,
            user,
            before,
            after,
            sender,
            content_type,
            since,
            until,
            limit,
        }
    }
}
