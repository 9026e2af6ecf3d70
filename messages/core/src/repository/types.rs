//! What goes into a repository and what comes out.

use std::collections::BTreeSet;

use chatcluster_protocol::{
    Millis,
    client::{MediaRange, Message},
    id::{ConversationId, DeviceId, MessageId, Stamp, UserId},
};

use crate::{
    apply::MarkPlaced,
    group::GroupRefusal,
    key::Ids,
    record::{Archived, Corrupt, Mark},
    replica::ReplicaError,
};

/// A message to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// As the gateway stamped it.
    pub id: MessageId,
    /// What it says.
    pub message: Archived,
}

/// A message is on its quorum, with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The id under which the reference was stored first.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Whose inboxes have it: devices of the recipients, and the sender's other ones.
    pub devices: Vec<(UserId, DeviceId)>,
}

/// A message was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The sender's device has a higher id in the conversation: stamp above it.
    #[error("the device has already sent {0} in this conversation: stamp above it")]
    OutOfOrder(MessageId),
    /// Stamp again.
    #[error("the id is more than 60 s old: stamp again")]
    TooOld,
    /// The gateway's clock is ahead, or the service's behind.
    #[error("the id is more than 60 s ahead of the message service's clock")]
    TooNew,
    /// The reference was used for other content.
    #[error("the reference was used for other content within the last 7 days")]
    ReferenceConflict,
    /// The user may not do this in the group.
    #[error("{0}")]
    Forbidden(String),
    /// The group has as many members as one may have.
    #[error("{}", GroupRefusal::Full)]
    GroupFull,
    /// Outcome unknown: append again under the same reference.
    #[error("{0}")]
    Unavailable(String),
}

/// A device has kept these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Messages.
    pub messages: BTreeSet<MessageId>,
    /// Receipts.
    pub receipts: BTreeSet<MessageId>,
    /// The gateway's clock, for the receipts that follow.
    pub stamp: Stamp,
}

/// A user has read a conversation on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRead {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// What they have read.
    pub conversation: ConversationId,
    /// How far.
    pub up_to: MessageId,
    /// The gateway's clock, for the receipts that follow.
    pub stamp: Stamp,
}

/// How far a user has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The highest message that was asked for, or higher where the user had read further before.
    pub up_to: MessageId,
    /// The receipts that were stored, or that still wait.
    pub receipts: Vec<MarkPlaced>,
}

/// A mark was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmarked {
    /// The user takes no part in the conversation.
    #[error("the user takes no part in the conversation")]
    NoPart,
    /// Nothing that was said is as old as that.
    #[error("nothing in the conversation is as old as this id")]
    NoMessage,
}

/// A device is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// It was not known before.
    pub created: bool,
    /// Tokens that were issued before this are not accepted any more. Where this one was, the device may not
    /// be known.
    pub revoked_before: Option<Millis>,
}

/// What is known of a device that is said to be in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is known at all.
    pub known: bool,
    /// Tokens that were issued before this are not accepted any more.
    pub revoked_before: Option<Millis>,
}

/// Tokens of a user that are not accepted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whose.
    pub user: UserId,
    /// Of this device alone.
    pub device: Option<DeviceId>,
    /// Those that were issued before this.
    pub before: Millis,
}

/// A page of what has been revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationPage {
    /// In the order of their times.
    pub revocations: Vec<Revocation>,
    /// Where to go on. After the last page that is a little before its end, so some come again.
    pub next: Vec<u8>,
    /// There may be more at once.
    pub more: bool,
}

/// Where a page of an inbox starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InboxCursor {
    /// At the beginning.
    #[default]
    Start,
    /// With messages above this one.
    Messages(MessageId),
    /// With receipts above this one; all of them where there is none.
    Receipts(Option<MessageId>),
}

/// A page of an inbox.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InboxPage {
    /// Messages, by rising id.
    pub messages: Vec<Message>,
    /// Receipts, by rising id.
    pub receipts: Vec<WaitingReceipt>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<InboxCursor>,
}

/// A receipt that waits for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingReceipt {
    /// Its id.
    pub id: MessageId,
    /// What it tells.
    pub mark: Mark,
}

/// Which way a page goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Rising ids: the oldest first.
    Forward,
    /// Falling ids: the newest first.
    Backward,
}

/// Which messages. All that is named must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// In a conversation in which this user takes part.
    pub user: Option<UserId>,
    /// In this conversation.
    pub conversation: Option<ConversationId>,
    /// Sent by this user.
    pub sender: Option<UserId>,
    /// With content of this type.
    pub content_type: Option<MediaRange>,
    /// With these ids.
    pub ids: Ids,
    /// In this order.
    pub direction: Direction,
    /// Most messages, at least 1.
    pub limit: usize,
    /// The page also ends behind the message that brings it to this many bytes of bodies.
    pub bytes: usize,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    /// In the order asked for.
    pub messages: Vec<Message>,
    /// The page goes on behind this id. Forward it is the last one that can have no unseen messages
    /// below it, so it lies at or before the end of the page; `None` where nothing on the page is as
    /// old as that.
    pub next: Option<MessageId>,
    /// There was more when the page was read.
    pub more: bool,
}

/// A repository could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// The user has as many devices as one may have.
    #[error("the user has {} devices, as many as one may have", crate::apply::DEVICES)]
    TooManyDevices,
    /// Too much to do: the same call may succeed in a moment. Nothing was done.
    #[error("the message service has too much to do")]
    Busy,
    /// No quorum, or its storage failed: the outcome is unknown, the same call may succeed later.
    #[error("the message service cannot reach its storage: {0}")]
    Unavailable(String),
    /// A record cannot be read; trying again does not help.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl From<ReplicaError> for RepositoryError {
    fn from(error: ReplicaError) -> Self {
        match error {
            ReplicaError::Busy => Self::Busy,
            ReplicaError::Unavailable(text) => Self::Unavailable(text),
            ReplicaError::Joining(_) => Self::Unavailable(error.to_string()),
            ReplicaError::Corrupt(corrupt) => Self::Corrupt(corrupt),
        }
    }
}
