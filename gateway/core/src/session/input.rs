//! What a session is told.

use std::time::Duration;

use bytes::Bytes;
use chatcluster_protocol::{
    Millis,
    client::{
        ClientFrame, GroupState, HistoryPage, PresenceTo, Read, Receipts, Refusal, RequestId,
    },
    id::{ConversationId, MessageId, UserId},
};

use crate::{Away, Device, Push, Route};

/// What happened. Every effect that asks for something is answered by exactly one input, also after
/// [`Input::Closed`], and with [`Away`] when the shell's own deadline for the call ran out.
#[derive(Debug, Clone)]
pub enum Input {
    /// A text frame came, as `protocol::client::decode` read it.
    Frame(Result<ClientFrame, Refusal>),
    /// A pong came from the client.
    Pong,
    /// Anything else came from the client, such as a ping.
    Heard,
    /// Answers [`super::Effect::Verify`].
    Verified(Verdict),
    /// Answers [`super::Effect::Register`].
    Registered(Result<Registration, Away>),
    /// Answers [`super::Effect::Claim`].
    Claimed(Result<Claimed, Away>),
    /// Answers [`super::Effect::Reclaim`].
    Reclaimed(Result<Reclaimed, Away>),
    /// Answers [`super::Effect::Touch`].
    Touched(Result<Touched, Away>),
    /// Answers [`super::Effect::ReadInbox`].
    Inbox(Result<InboxPage, Away>),
    /// Answers [`super::Effect::Append`]: one result for each append, in order; or nothing is known.
    Appended(ConversationId, Result<Vec<AppendResult>, Away>),
    /// Answers [`super::Effect::Acknowledge`].
    Acknowledged(Result<(), Away>),
    /// Answers [`super::Effect::MarkRead`]: where the mark is now.
    Marked(Read, Result<MessageId, MarkFailure>),
    /// Answers `Privacy` with the request: who may see when the user is online.
    Privacy(RequestId, Result<PresenceTo, Away>),
    /// Answers [`super::Effect::History`]. The page's `id` is that of the request.
    History(RequestId, Result<HistoryPage, HistoryFailure>),
    /// Answers [`super::Effect::ReadGroup`]. Its `id` is that of the request.
    Group(RequestId, Result<GroupState, HistoryFailure>),
    /// Answers [`super::Effect::ReadReceipts`]. Its `id` is that of the request.
    Receipts(RequestId, Result<Receipts, HistoryFailure>),
    /// Something may wait in the inbox: a probe found it, or a previous holder has been evicted.
    ReadAgain,
    /// The route may be lost: claim it again, then read the inbox (rule 2).
    Reassert,
    /// The device, whose route had this epoch, has claimed another elsewhere. The session ends at once,
    /// unless it has claimed again since. Either way the eviction is done.
    Evict(u64),
    /// A backend wants the session to end whose route has this epoch, or had it.
    Disconnect(u64),
    /// Tokens of the device that were issued before this are not accepted any more. Before the session's
    /// `hello` has been verified it means nothing.
    Revoked(Millis),
    /// The device has been removed: nothing is kept for it any more. The session ends.
    Removed,
    /// The gateway is being stopped: the client is asked to open another connection after this long.
    Drain(Duration),
    /// The gateway can wait no longer: the client is asked as with `Drain`, and the session ends now.
    DrainNow(Duration),
    /// Time has passed. Due at [`super::Session::deadline`]; more often does no harm.
    Tick,
    /// The socket is gone, for whatever reason.
    Closed,
}

/// What a token is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A key verifies it, and all claims are right.
    Valid {
        /// The `sub`.
        user: UserId,
        /// The `exp`, milliseconds UTC.
        expires: Option<Millis>,
        /// The `iat`, milliseconds UTC. Without it the token counts as older than any revocation.
        issued: Option<Millis>,
    },
    /// It was right until its `exp`.
    Expired,
    /// Anything else; the text tells the client what, and repeats nothing of the token.
    Bad(String),
}

/// What a registration found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Messages are kept for the device, and have been.
    Known,
    /// Messages are kept for the device from now on: it was not known before.
    New,
    /// The user has as many devices as one may have.
    TooManyDevices,
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The epoch of the new route.
    pub epoch: u64,
    /// Who held the device before.
    pub previous: Option<Route>,
}

/// What a claim found that gives way to a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reclaimed {
    /// The device's route is this connection's again.
    Claimed(Claimed),
    /// A claim with a higher epoch holds the device: the route that is there, unchanged.
    Replaced(Route),
}

/// What a touch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// The route is as it was.
    Held,
    /// There is none: the manager lost it.
    Gone,
    /// Another claim has replaced it: the route that is there now.
    Replaced(Route),
}

/// A page of what waits for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPage {
    /// Messages and receipts, in the order read.
    pub entries: Vec<Push>,
    /// Where the next page begins; `None` when this was the last.
    pub next: Option<Bytes>,
}

/// What became of one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendResult {
    /// On its quorum.
    Stored {
        /// The id under which the reference was stored first.
        id: MessageId,
        /// The devices in whose inboxes it is.
        devices: Vec<Device>,
    },
    /// The sender's device has a higher id in this conversation.
    OutOfOrder {
        /// That id.
        highest: MessageId,
    },
    /// The id is older than the service accepts.
    TooOld,
    /// The id is further ahead of the service's clock than it accepts.
    TooNew,
    /// The reference was used for other content.
    Conflict,
    /// The user takes no part in the group, or may not change it so; the text says which.
    Forbidden(String),
    /// The group has as many members as one may have.
    GroupFull,
    /// Outcome unknown, or no room.
    Unavailable,
}

/// Why there is no page of history, no group, or nothing to tell of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryFailure {
    /// The user takes no part in the conversation or the group, or has not sent the message.
    Forbidden,
    /// The message service did not answer.
    Unavailable,
}

/// Why a mark was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkFailure {
    /// The user takes no part in the conversation.
    Forbidden,
    /// Nothing in it is as old as that.
    NoMessage,
    /// The message service did not answer; nothing is known of the outcome.
    Unavailable,
}
