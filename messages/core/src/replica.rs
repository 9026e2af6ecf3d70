//! How a replica is reached.

use std::{fmt, future::Future, sync::Arc};

use chatcluster_protocol::Millis;
use serde::{Deserialize, Serialize};

use crate::{
    apply::{Batch, UnitReply},
    digest::Digest,
    view::{Rows, Scan},
};

/// One copy of an island's data. It applies batches by [`crate::apply::apply`], as of its own clock.
///
/// Each call is answered or fails within a few seconds. An `apply` that has been polled once is carried
/// through, also when its future is dropped: the quorum stops listening once it knows enough.
pub trait Replica: Send + Sync + 'static {
    /// Applies batches in order, in one transaction, and answers when they are on disk and synced.
    fn apply(
        &self,
        batches: Arc<[Batch]>,
    ) -> impl Future<Output = Result<Answer<Vec<Vec<UnitReply>>>, ReplicaError>> + Send;

    /// Reads ranges, all from one state, tombstones included.
    fn read(
        &self,
        scans: Arc<[Scan]>,
    ) -> impl Future<Output = Result<Answer<Vec<Rows>>, ReplicaError>> + Send;

    /// What a read would give, told shortly; see [`Digest::of`].
    fn digest(
        &self,
        scan: Scan,
        forgotten_before: Millis,
    ) -> impl Future<Output = Result<Answer<Digest>, ReplicaError>> + Send;
}

/// What a replica says, and which one it is that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// Whoever is reached at one address may be another one after its disk was emptied.
    pub by: Identity,
    /// What it says.
    pub what: T,
}

impl<T> Answer<T> {
    /// The same replica's word about something else.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { by: self.by, what: other(self.what) }
    }
}

/// Which replica one is: a number drawn with its tables. It is another one whenever something may be missing that
/// it has acknowledged.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Identity(pub u128);

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Why a replica did not answer. After a failed `apply` the outcome is unknown, but for `Busy`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// Its queue is full. Nothing was done.
    #[error("the replica has too much to do")]
    Busy,
    /// Its storage failed or it cannot be reached.
    #[error("the replica cannot be used: {0}")]
    Unavailable(String),
    /// It has done what it was asked for, and its word does not count: it may lack what was acknowledged before it
    /// came (rule 15).
    #[error("replica {0} is being filled")]
    Joining(Identity),
    /// A record cannot be read.
    #[error(transparent)]
    Corrupt(#[from] crate::record::Corrupt),
}
