//! What the services call: a repository of messages.
//!
//! [`Quorum`] over replicas is one implementation; an engine that replicates by itself can be another.

mod append;
mod devices;
mod fan_out;
mod groups;
mod inbox;
mod privacy;
mod query;
mod quorum;
mod reading;
mod receipts;
mod registry;
mod removal;
mod revocation;
mod sources;
mod types;
mod walk;

use std::{collections::BTreeMap, future::Future};

use chatcluster_protocol::{
    Millis,
    client::{MemberReceipt, Message, PresenceTo},
    id::{ConversationId, DeviceId, GroupId, MessageId, Stamp, UserId},
};
pub use query::stable_up_to;
pub use quorum::Quorum;
pub use removal::remove_and_revoke;
pub use types::{
    Acknowledge, Append, Direction, InboxCursor, InboxPage, MarkRead, Marked, MessagePage, Query,
    Refused, Registered, RepositoryError, Revocation, RevocationPage, Seen, Stored, Unmarked,
    WaitingReceipt,
};

pub use crate::{apply::MarkPlaced, record::Registration};
use crate::{group::Group, key::Ids};

/// A repository of messages. All calls may run at the same time; each ends within seconds, and all
/// but reads may be repeated without harm.
pub trait Repository: Send + Sync + 'static {
    /// Stores messages; one outcome for each, in order. Messages of one device in one conversation are
    /// stored in the order given: after one that was refused because of its id, the later ones are
    /// refused alike.
    fn append(
        &self,
        appends: Vec<Append>,
    ) -> impl Future<Output = Vec<Result<Stored, Refused>>> + Send;

    /// Finishes what was stored but may not be in all inboxes: messages older than `before`. Says how
    /// many were finished.
    fn finish_pending(
        &self,
        before: MessageId,
    ) -> impl Future<Output = Result<usize, RepositoryError>> + Send;

    /// Makes a device known, so that messages from now on are kept for it; not by a token that was issued
    /// before what is revoked. What was revoked before this is called is in the answer.
    fn register(
        &self,
        user: UserId,
        device: DeviceId,
        issued: Millis,
    ) -> impl Future<Output = Result<Registered, RepositoryError>> + Send;

    /// Says that these devices are in use. Those that are not known are not made known.
    fn seen(
        &self,
        devices: Vec<(UserId, DeviceId)>,
    ) -> impl Future<Output = Result<Vec<Seen>, RepositoryError>> + Send;

    /// The devices of a user; `None` where none has ever been known.
    fn devices(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<BTreeMap<DeviceId, Registration>>, RepositoryError>> + Send;

    /// Removes a device with all that it is owed; `false` where it is not known. After a failure, or a
    /// crash half way, a repetition finishes it.
    fn remove_device(
        &self,
        user: UserId,
        device: DeviceId,
    ) -> impl Future<Output = Result<bool, RepositoryError>> + Send;

    /// Removes the devices of some users, in their order from the first behind `after`, that have not been
    /// seen at this time or later. Says how many, and where to go on.
    fn expire_devices(
        &self,
        unseen_since: Millis,
        after: Option<UserId>,
    ) -> impl Future<Output = Result<(usize, Option<UserId>), RepositoryError>> + Send;

    /// Finishes removals that began before this time. Says how many.
    fn finish_removals(
        &self,
        before: Millis,
    ) -> impl Future<Output = Result<usize, RepositoryError>> + Send;

    /// From now on tokens of a user, or of one device, that were issued before a time are not accepted.
    fn revoke(
        &self,
        user: UserId,
        device: Option<DeviceId>,
        before: Millis,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// What has been revoked, as of `now`: at most `limit`, from a place that an earlier answer named, or from
    /// the beginning (empty).
    fn revocations(
        &self,
        from: Vec<u8>,
        limit: usize,
        now: Millis,
    ) -> impl Future<Output = Result<RevocationPage, RepositoryError>> + Send;

    /// Forgets in that list what was revoked before this time. The tokens stay revoked.
    fn forget_revocations(
        &self,
        before: Millis,
    ) -> impl Future<Output = Result<usize, RepositoryError>> + Send;

    /// A page of what waits for a device: first messages by id, then receipts. It has at most `limit`
    /// entries and ends behind the message that brings it to `bytes` of bodies.
    fn inbox(
        &self,
        user: UserId,
        device: DeviceId,
        from: InboxCursor,
        limit: usize,
        bytes: usize,
    ) -> impl Future<Output = Result<InboxPage, RepositoryError>> + Send;

    /// Removes what devices have kept; gives the receipts that were stored for their senders.
    fn acknowledge(
        &self,
        acknowledgements: Vec<Acknowledge>,
    ) -> impl Future<Output = Result<Vec<MarkPlaced>, RepositoryError>> + Send;

    /// Raises how far users have read, and stores receipts for everybody else in the conversation and for
    /// the users' other devices.
    fn mark_read(
        &self,
        marks: Vec<MarkRead>,
    ) -> impl Future<Output = Result<Vec<Result<Marked, Unmarked>>, RepositoryError>> + Send;

    /// Who may see when each of these users is online, in the order asked.
    fn privacies(
        &self,
        users: Vec<UserId>,
    ) -> impl Future<Output = Result<Vec<PresenceTo>, RepositoryError>> + Send;

    /// Who may see when a user is online.
    fn privacy(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<PresenceTo, RepositoryError>> + Send {
        let privacy = self.privacies(vec![user]);
        async { Ok(privacy.await?.first().copied().unwrap_or_default()) }
    }

    /// Sets that, as of `stamp` or later, and says what is set then.
    fn set_privacy(
        &self,
        user: UserId,
        presence_to: PresenceTo,
        stamp: Stamp,
    ) -> impl Future<Output = Result<PresenceTo, RepositoryError>> + Send;

    /// Whether each user, the first of a pair, has written to the other one, and that has arrived.
    fn contacts(
        &self,
        pairs: Vec<(UserId, UserId)>,
    ) -> impl Future<Output = Result<Vec<bool>, RepositoryError>> + Send;

    /// Which of these devices have something waiting that is older than `before`? It may say yes for
    /// a device whose last entry has just gone, never no for one that has something.
    fn waiting(
        &self,
        devices: Vec<(UserId, DeviceId)>,
        before: MessageId,
    ) -> impl Future<Output = Result<Vec<bool>, RepositoryError>> + Send;

    /// A message.
    fn message(
        &self,
        id: MessageId,
    ) -> impl Future<Output = Result<Option<Message>, RepositoryError>> + Send;

    /// Who has received and read a message that a user sent: all who may read it, by name, without the user;
    /// `None` where the user has sent none of this id.
    fn receipts(
        &self,
        sender: UserId,
        message: MessageId,
    ) -> impl Future<Output = Result<Option<Vec<MemberReceipt>>, RepositoryError>> + Send;

    /// What a user may read of a conversation; `None` where they take no part in it.
    fn readable(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> impl Future<Output = Result<Option<Ids>, RepositoryError>> + Send;

    /// A group, for a user who takes part in it.
    fn group(
        &self,
        user: UserId,
        group: GroupId,
    ) -> impl Future<Output = Result<Option<Group>, RepositoryError>> + Send;

    /// A page of messages, as of `now`.
    fn query(
        &self,
        query: Query,
        now: Millis,
    ) -> impl Future<Output = Result<MessagePage, RepositoryError>> + Send;
}
