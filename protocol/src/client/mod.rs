//! The frames between a client and a gateway: JSON text, one object a frame, tagged by `type`.
//!
//! A request carries the client's `id` and its answer carries the same `id`; a push carries none.
//! Unknown fields are ignored in both directions, so that either side may be newer than the other.

mod close;
mod content;
mod decode;
mod delivery;
mod error;
mod group;
mod history;
mod media_range;
mod presence;
mod reading;
mod receipts;
mod refresh;
mod request;
mod send;
mod session;
mod typing;

pub use close::CloseCode;
pub use content::{Body, Content, ContentType, InvalidContent};
pub use decode::{Refusal, check_change, decode, parsed};
pub use delivery::{Ack, Message, Receipt, ReceiptKind};
pub use error::{Error, ErrorCode};
pub use group::{
    Empty, GroupChange, GroupCreation, GroupMember, GroupName, GroupRequest, GroupState,
    InvalidGroupChange, InvalidGroupName, Role, RoleGiven,
};
pub use history::{History, HistoryPage};
pub use media_range::{InvalidMediaRange, MediaRange};
pub use presence::{Presence, PresenceTo, Presences, Privacy, PrivacyIs, UserPresence};
pub use reading::{Marked, Read};
pub use receipts::{MemberReceipt, Receipts, ReceiptsRequest};
pub use refresh::{Expiring, Refresh, Refreshed};
pub use request::{InvalidRequestId, RequestId};
use schemars::JsonSchema;
pub use send::{Recipient, Send, Sent};
use serde::{Deserialize, Serialize};
pub use session::{Hello, Ping, Pong, Reconnect, ReconnectReason, Resume, Welcome};
pub use typing::{IsTyping, TypedTo, Typing};

// Gateways read it with `decode`, whose errors name the field, and not by a derived `Deserialize`.
/// What a client sends.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Who the client is; the first frame of a connection.
    Hello(Hello),
    /// A message for somebody.
    Send(Send),
    /// Messages and receipts that the device has kept.
    Ack(Ack),
    /// How far the user has read a conversation.
    Read(Read),
    /// A page of what was said.
    History(History),
    /// Who takes part in a group.
    Group(GroupRequest),
    /// How many have received and read a message.
    Receipts(ReceiptsRequest),
    /// A fresh token, before the old one expires.
    Refresh(Refresh),
    /// The user is typing, or has stopped.
    Typing(Typing),
    /// Whom the client watches: who of them is online.
    Presence(Presence),
    /// Who may see when the user is online.
    Privacy(Privacy),
    /// Is the gateway still there?
    Ping(Ping),
}

/// What a gateway sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answers `hello`: the session is open.
    Welcome(Welcome),
    /// Push: everything that waited in the inbox has been pushed.
    CaughtUp,
    /// Answers `send`: the message is stored.
    Sent(Sent),
    /// Push: a message for this device.
    Message(Message),
    /// Push: how far somebody has received or read a conversation.
    Receipt(Receipt),
    /// Answers `read`: the mark is stored.
    Marked(Marked),
    /// Push: somebody is typing, or has stopped.
    Typing(IsTyping),
    /// Answers `presence`; or, without `id`, a push: who is online.
    Presence(Presences),
    /// Answers `privacy`.
    Privacy(PrivacyIs),
    /// Answers `history`.
    History(HistoryPage),
    /// Answers `group`.
    Group(GroupState),
    /// Answers `receipts`.
    Receipts(Receipts),
    /// Answers `refresh`: the session goes on with the new token.
    Refreshed(Refreshed),
    /// Answers `ping`.
    Pong(Pong),
    /// Answers a request that failed, or says why the connection ends.
    Error(Error),
    /// Push: the session's token expires soon.
    Expiring(Expiring),
    /// Push: this gateway will close the connection soon; open another one.
    Reconnect(Reconnect),
    /// A frame of a newer gateway. Clients ignore it; gateways never send it.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl ServerFrame {
    /// The frame as JSON text.
    pub fn encode(&self) -> String {
        // Every type here is a plain tree of strings and numbers: writing it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl ClientFrame {
    /// The frame as JSON text.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The request's id, where it has one.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            Self::Hello(hello) => Some(hello.id),
            Self::Send(send) => Some(send.id),
            Self::Ack(ack) => ack.id,
            Self::Read(read) => Some(read.id),
            Self::History(history) => Some(history.id),
            Self::Group(group) => Some(group.id),
            Self::Receipts(receipts) => Some(receipts.id),
            Self::Refresh(refresh) => Some(refresh.id),
            Self::Typing(typing) => typing.id,
            Self::Presence(presence) => Some(presence.id),
            Self::Privacy(privacy) => Some(privacy.id),
            Self::Ping(ping) => Some(ping.id),
        }
    }

    /// An error that answers this frame: with its id, and with the reference of a `send`.
    pub fn refused(&self, code: ErrorCode, text: impl Into<String>) -> Error {
        let reference = match self {
            Self::Send(send) => Some(send.reference.clone()),
            _ => None,
        };
        Error { id: self.id(), reference, ..Error::new(code, text) }
    }
}
