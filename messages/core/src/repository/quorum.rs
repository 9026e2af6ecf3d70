//! A repository as a quorum over replicas. Here is who asks whom; what the answers mean is decided in
//! [`crate::quorum`] and [`crate::merge`].

use std::{future::Future, sync::Arc};

use chatcluster_protocol::{
    Millis,
    client::Message,
    id::{ConversationId, DeviceId, MessageId, UserId},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;

use super::{
    Acknowledge, Append, InboxCursor, InboxPage, MarkPlaced, MessagePage, Query, Refused,
    Repository, RepositoryError, Stored, append, devices, fan_out, inbox, query,
};
use crate::{
    apply::{Batch, UnitReply},
    key::Key,
    merge::{self, Page},
    quorum::{Read, Write},
    record,
    replica::{Replica, ReplicaError},
    view::Scan,
};

/// A repository over the replicas of one island.
#[derive(Debug)]
pub struct Quorum<R> {
    replicas: Vec<R>,
}

impl<R: Replica> Quorum<R> {
    /// Over one replica: its word is the quorum's.
    pub fn of_one(replica: R) -> Self {
        Self { replicas: vec![replica] }
    }

    /// Over an island's replicas, an odd number of them.
    pub fn new(replicas: Vec<R>) -> Self {
        debug_assert!(replicas.len() % 2 == 1, "an even number tolerates no more than one less");
        Self { replicas }
    }

    /// Applies batches on a majority.
    pub(super) async fn write(
        &self,
        batches: Vec<Batch>,
    ) -> Result<Vec<Vec<UnitReply>>, ReplicaError> {
        let batches: Arc<[Batch]> = batches.into();
        let mut asked: FuturesUnordered<_> =
            self.replicas.iter().map(|replica| replica.apply(batches.clone())).collect();
        let mut write = Write::new(self.replicas.len());
        while let Some(reply) = asked.next().await {
            if let Some(decision) = write.on_reply(reply) {
                return decision;
            }
        }
        Err(ReplicaError::Unavailable("there is no replica".into()))
    }

    /// Reads ranges from a majority, merged.
    pub(super) async fn read(&self, scans: Vec<Scan>) -> Result<Vec<Page>, ReplicaError> {
        if scans.is_empty() {
            return Ok(Vec::new());
        }
        let scans: Arc<[Scan]> = scans.into();
        let mut asked: FuturesUnordered<_> =
            self.replicas.iter().map(|replica| replica.read(scans.clone())).collect();
        let mut read = Read::new(self.replicas.len());
        while let Some(reply) = asked.next().await {
            let Some(decision) = read.on_reply(reply) else { continue };
            let mut answers: Vec<_> = decision?.into_iter().map(Vec::into_iter).collect();
            let merged = scans.iter().map(|scan| {
                let pages = answers.iter_mut().filter_map(Iterator::next).collect();
                merge::merge(pages, scan.reverse)
            });
            return Ok(merged.collect::<Result<_, _>>()?);
        }
        Err(ReplicaError::Unavailable("there is no replica".into()))
    }

    /// Reads records, `None` for each that is not there.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = Key> + Send,
    ) -> Result<Vec<Option<T>>, ReplicaError> {
        let scans = keys.into_iter().map(Scan::one).collect();
        let pages = self.read(scans).await?;
        let first = |page: Page| match page.rows.first() {
            Some((key, value)) => record::decode(key, value),
            None => Ok(None),
        };
        Ok(pages.into_iter().map(first).collect::<Result<_, _>>()?)
    }
}

impl<R: Replica> Repository for Quorum<R> {
    fn append(
        &self,
        appends: Vec<Append>,
    ) -> impl Future<Output = Vec<Result<Stored, Refused>>> + Send {
        append::append(self, appends)
    }

    fn finish_pending(
        &self,
        before: MessageId,
    ) -> impl Future<Output = Result<(usize, bool), RepositoryError>> + Send {
        fan_out::finish(self, before)
    }

    fn register(
        &self,
        user: UserId,
        device: DeviceId,
    ) -> impl Future<Output = Result<bool, RepositoryError>> + Send {
        devices::register(self, user, device)
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

    fn takes_part(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> impl Future<Output = Result<bool, RepositoryError>> + Send {
        query::takes_part(self, user, conversation)
    }

    fn query(
        &self,
        query: Query,
        now: Millis,
    ) -> impl Future<Output = Result<MessagePage, RepositoryError>> + Send {
        query::page(self, query, now)
    }
}
