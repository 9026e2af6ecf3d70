//! A repository as a quorum over replicas. Here is who asks whom; what the answers mean is decided in
//! [`crate::quorum`] and [`crate::merge`].

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
};

use chatcluster_protocol::{
    Millis,
    client::{MemberReceipt, Message, PresenceTo},
    id::{ConversationId, DeviceId, GroupId, MessageId, Stamp, UserId},
};
use serde::de::DeserializeOwned;

use super::{
    Acknowledge, Append, InboxCursor, InboxPage, MarkPlaced, MarkRead, Marked, MessagePage, Query,
    Refused, Registered, Registration, Repository, RepositoryError, RevocationPage, Seen, Stored,
    Unmarked, append, devices, fan_out, groups, inbox, privacy, query, reading, receipts, registry,
    removal, revocation,
};
use crate::{
    apply::{Batch, UnitReply},
    group::Group,
    key::{Ids, Key},
    merge::{self, Page},
    quorum::{Read, Write},
    record::Corrupt,
    replica::{Replica, ReplicaError},
    roster::Voters,
    view::{Rows, Scan},
};

/// A repository over the replicas of one island.
#[derive(Debug)]
pub struct Quorum<R> {
    pub(crate) replicas: Vec<R>,
    pub(crate) voters: Voters,
}

impl<R: Replica> Quorum<R> {
    /// Over one replica: its word is the quorum's.
    pub fn of_one(replica: R) -> Self {
        Self::new(vec![replica])
    }

    /// Over an island's replicas, an odd number of them. Where there are several, nobody is believed before
    /// [`Self::attend`] has been called.
    pub fn new(replicas: Vec<R>) -> Self {
        let voters = if replicas.len() == 1 { Voters::Sole } else { Voters::of_roster() };
        Self { replicas, voters }
    }

    /// How many replicas there are.
    pub fn size(&self) -> usize {
        self.replicas.len()
    }

    /// One replica is all there is: what it says needs no second opinion.
    pub(crate) fn is_one(&self) -> bool {
        self.replicas.len() == 1
    }

    /// Applies batches on a majority.
    pub(super) async fn write(
        &self,
        batches: Vec<Batch>,
    ) -> Result<Vec<Vec<UnitReply>>, ReplicaError> {
        let batches: Arc<[Batch]> = batches.into();
        let mut write = Write::new(self.replicas.len());
        let ballot = self.voters.ballot();
        let asked = self.replicas.iter().map(|replica| replica.apply(batches.clone()));
        ask(asked, |answer| write.on_reply(ballot.count(answer))).await
    }

    /// Reads ranges from a majority, merged.
    pub(super) async fn read(&self, scans: Vec<Scan>) -> Result<Vec<Page>, ReplicaError> {
        self.read_of(scans, |_| Ok(true)).await
    }

    /// Reads ranges from a majority of which each replica `counts` by what it has, merged.
    pub(super) async fn read_of(
        &self,
        scans: Vec<Scan>,
        counts: impl Fn(&[Rows]) -> Result<bool, Corrupt> + Send,
    ) -> Result<Vec<Page>, ReplicaError> {
        if scans.is_empty() {
            return Ok(Vec::new());
        }
        let scans: Arc<[Scan]> = scans.into();
        let mut read = Read::new(self.replicas.len());
        let ballot = self.voters.ballot();
        let asked = self.replicas.iter().map(|replica| replica.read(scans.clone()));
        let counted = move |rows: Vec<Rows>| -> Result<Vec<Rows>, ReplicaError> {
            match counts(&rows)? {
                true => Ok(rows),
                false => Err(ReplicaError::Unavailable("it has missed something".into())),
            }
        };
        let heard = move |answer| read.on_reply(ballot.count(answer).and_then(&counted));
        let answers = ask(asked, heard).await?;
        let mut answers: Vec<_> = answers.into_iter().map(Vec::into_iter).collect();
        let merged = scans.iter().map(|scan| {
            let pages = answers.iter_mut().filter_map(Iterator::next).collect();
            merge::merge(pages, scan.reverse)
        });
        Ok(merged.collect::<Result<_, _>>()?)
    }

    /// Reads records, `None` for each that is not there.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = Key> + Send,
    ) -> Result<Vec<Option<T>>, ReplicaError> {
        let scans = keys.into_iter().map(Scan::one).collect();
        let pages = self.read(scans).await?;
        Ok(pages.iter().map(Page::first).collect::<Result<_, _>>()?)
    }
}

/// Asks all at the same time, until the answers so far decide. Each is polled at least once, also when
/// the first ones decide at once: the others are to do it too.
async fn ask<T, D>(
    asked: impl Iterator<Item = impl Future<Output = Result<T, ReplicaError>> + Send>,
    mut on_reply: impl FnMut(Result<T, ReplicaError>) -> Option<Result<D, ReplicaError>> + Send,
) -> Result<D, ReplicaError> {
    let mut asked: Vec<_> = asked.map(|future| Some(Box::pin(future))).collect();
    poll_fn(move |context| {
        let mut decision = None;
        for slot in &mut asked {
            let Some(future) = slot else { continue };
            if let Poll::Ready(reply) = future.as_mut().poll(context) {
                *slot = None;
                if decision.is_none() {
                    decision = on_reply(reply);
                }
            }
        }
        let silent = asked.iter().all(Option::is_none);
        match decision {
            Some(decision) => Poll::Ready(decision),
            None if silent => {
                let text = "the replicas came to no decision".into();
                Poll::Ready(Err(ReplicaError::Unavailable(text)))
            }
            None => Poll::Pending,
        }
    })
    .await
}

impl<R: Replica> Repository for Quorum<R> {
    fn append(
        &self,
        appends: Vec<Append>,
    ) -> impl Future<Output = Vec<Result<Stored, Refused>>> + Send {
        append::append(self, appends, append::Asker::Device)
    }

    fn finish_pending(
        &self,
        before: MessageId,
    ) -> impl Future<Output = Result<usize, RepositoryError>> + Send {
        fan_out::finish(self, before)
    }

    fn register(
        &self,
        user: UserId,
        device: DeviceId,
        issued: Millis,
    ) -> impl Future<Output = Result<Registered, RepositoryError>> + Send {
        registry::register(self, user, device, issued)
    }

    fn seen(
        &self,
        devices: Vec<(UserId, DeviceId)>,
    ) -> impl Future<Output = Result<Vec<Seen>, RepositoryError>> + Send {
        registry::seen(self, devices)
    }

    fn devices(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<BTreeMap<DeviceId, Registration>>, RepositoryError>> + Send
    {
        registry::devices(self, user)
    }

    fn remove_device(
        &self,
        user: UserId,
        device: DeviceId,
    ) -> impl Future<Output = Result<bool, RepositoryError>> + Send {
        removal::remove(self, user, device)
    }

    fn expire_devices(
        &self,
        unseen_since: Millis,
        after: Option<UserId>,
    ) -> impl Future<Output = Result<(usize, Option<UserId>), RepositoryError>> + Send {
        removal::expire(self, unseen_since, after)
    }

    fn finish_removals(
        &self,
        before: Millis,
    ) -> impl Future<Output = Result<usize, RepositoryError>> + Send {
        removal::finish_all(self, before)
    }

    fn revoke(
        &self,
        user: UserId,
        device: Option<DeviceId>,
        before: Millis,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send {
        revocation::revoke(self, user, device, before)
    }

    fn revocations(
        &self,
        from: Vec<u8>,
        limit: usize,
        now: Millis,
    ) -> impl Future<Output = Result<RevocationPage, RepositoryError>> + Send {
        revocation::feed(self, from, limit, now)
    }

    fn forget_revocations(
        &self,
        before: Millis,
    ) -> impl Future<Output = Result<usize, RepositoryError>> + Send {
        revocation::forget(self, before)
    }

    fn inbox(
        &self,
        user: UserId,
        device: DeviceId,
        from: InboxCursor,
        limit: usize,
        bytes: usize,
    ) -> impl Future<Output = Result<InboxPage, RepositoryError>> + Send {
        inbox::page(self, user, device, from, limit, bytes)
    }

    fn acknowledge(
        &self,
        acknowledgements: Vec<Acknowledge>,
    ) -> impl Future<Output = Result<Vec<MarkPlaced>, RepositoryError>> + Send {
        devices::acknowledge(self, acknowledgements)
    }

    fn mark_read(
        &self,
        marks: Vec<MarkRead>,
    ) -> impl Future<Output = Result<Vec<Result<Marked, Unmarked>>, RepositoryError>> + Send {
        reading::mark(self, marks)
    }

    async fn privacies(&self, users: Vec<UserId>) -> Result<Vec<PresenceTo>, RepositoryError> {
        privacy::settings(self, &users).await
    }

    fn set_privacy(
        &self,
        user: UserId,
        presence_to: PresenceTo,
        stamp: Stamp,
    ) -> impl Future<Output = Result<PresenceTo, RepositoryError>> + Send {
        privacy::set(self, user, presence_to, stamp)
    }

    async fn contacts(&self, pairs: Vec<(UserId, UserId)>) -> Result<Vec<bool>, RepositoryError> {
        privacy::contacts(self, &pairs).await
    }

    fn waiting(
        &self,
        devices: Vec<(UserId, DeviceId)>,
        before: MessageId,
    ) -> impl Future<Output = Result<Vec<bool>, RepositoryError>> + Send {
        inbox::waiting(self, devices, before)
    }

    fn message(
        &self,
        id: MessageId,
    ) -> impl Future<Output = Result<Option<Message>, RepositoryError>> + Send {
        query::message(self, id)
    }

    fn receipts(
        &self,
        sender: UserId,
        message: MessageId,
    ) -> impl Future<Output = Result<Option<Vec<MemberReceipt>>, RepositoryError>> + Send {
        receipts::of(self, sender, message)
    }

    fn readable(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> impl Future<Output = Result<Option<Ids>, RepositoryError>> + Send {
        groups::readable(self, user, conversation)
    }

    fn group(
        &self,
        user: UserId,
        group: GroupId,
    ) -> impl Future<Output = Result<Option<Group>, RepositoryError>> + Send {
        groups::of(self, user, group)
    }

    fn query(
        &self,
        query: Query,
        now: Millis,
    ) -> impl Future<Output = Result<MessagePage, RepositoryError>> + Send {
        query::page(self, query, now)
    }
}
