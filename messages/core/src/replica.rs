//! How a replica is reached.

use std::{future::Future, sync::Arc};

use crate::{
    apply::{Batch, UnitReply},
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
    ) -> impl Future<Output = Result<Vec<Vec<UnitReply>>, ReplicaError>> + Send;

    /// Reads ranges, all from one state, tombstones included.
    fn read(
        &self,
        scans: Arc<[Scan]>,
    ) -> impl Future<Output = Result<Vec<Rows>, ReplicaError>> + Send;
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
    /// A record cannot be read.
    #[error(transparent)]
    Corrupt(#[from] crate::record::Corrupt),
}
