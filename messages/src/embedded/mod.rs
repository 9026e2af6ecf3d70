//! The embedded replica: one redb file in this process.
//!
//! - [`writer`]: one thread that applies what has gathered, in one transaction with one fsync
//! - [`store`]: the database behind a lock, and its reopening after a failure
//! - [`medium`]: where the database lies; [`frozen`]: reading a file that cannot be written
//! - [`view`]: a transaction as the core sees it
//!
//! What is checked and changed is the core's business ([`messages_core::apply`]).

mod frozen;
mod medium;
mod store;
mod view;
mod writer;

use std::{path::Path, sync::Arc};

use chatcluster_protocol::Millis;
use messages_core::{
    apply::{Batch, UnitReply},
    digest::Digest,
    replica::{Answer, Identity, Replica, ReplicaError},
    view::{Rows, Scan},
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

pub use self::{
    frozen::Frozen,
    medium::{FileMedium, Medium},
    store::OpenError,
};
use self::{store::Store, writer::Writer};
use crate::{
    Clock, Metrics,
    queue::{Queue, WITHIN, unavailable},
};

/// Reads at a time. They mostly hit memory; more of them than cores only hold more pages.
const READS: usize = 16;

/// It is the only replica there is, so nobody asks which one it is.
pub(crate) const SOLE: Identity = Identity(0);

/// What a call is told that waits for too long.
const LATE: &str = "its disk does not answer";

/// A replica in one file. Clones are the same replica; the file is closed when the last one and all
/// calls are gone.
#[derive(Clone)]
pub struct Embedded {
    store: Arc<Store>,
    queue: Queue,
    reads: Arc<Semaphore>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

/// The thread that writes. It ends when the last [`Embedded`] is gone.
#[derive(Debug)]
pub struct WriterThread(oneshot::Receiver<()>);

impl WriterThread {
    /// Waits for its end; the file is closed and its lock released.
    pub async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Embedded {
    /// Opens a file, or creates it; its folder must exist.
    pub fn open(
        path: &Path,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, WriterThread), OpenError> {
        Self::open_on(Box::new(FileMedium::new(path)), clock, metrics)
    }

    /// Opens a database on something else than a plain file.
    pub fn open_on(
        medium: Box<dyn Medium>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, WriterThread), OpenError> {
        let store = Arc::new(Store::open(medium)?);
        let (queue, requests) = Queue::new(metrics.clone(), LATE);
        let (ended, end) = oneshot::channel();
        let writer = Writer::new(store.clone(), clock, metrics);
        std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                writer.run(requests);
                let _ = ended.send(());
            })
            .map_err(OpenError::Thread)?;
        let embedded = Self { store, queue, reads: Arc::new(Semaphore::new(READS)) };
        Ok((embedded, WriterThread(end)))
    }
}

impl Replica for Embedded {
    async fn apply(
        &self,
        batches: Arc<[Batch]>,
    ) -> Result<Answer<Vec<Vec<UnitReply>>>, ReplicaError> {
        self.queue.apply(batches).await
    }

    async fn read(&self, scans: Arc<[Scan]>) -> Result<Answer<Vec<Rows>>, ReplicaError> {
        let permit = match timeout(WITHIN, self.reads.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(ReplicaError::Busy),
        };
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            store.read(&scans)
        });
        match timeout(WITHIN, read).await {
            Ok(Ok(outcome)) => outcome.map(|what| Answer { by: SOLE, what }),
            Ok(Err(error)) => Err(unavailable(format!("a read broke off: {error}"))),
            Err(_) => Err(unavailable(LATE)),
        }
    }

    async fn digest(
        &self,
        scan: Scan,
        forgotten_before: Millis,
    ) -> Result<Answer<Digest>, ReplicaError> {
        let answer = self.read(vec![scan].into()).await?;
        let rows = |pages: Vec<Rows>| pages.into_iter().next().unwrap_or_default();
        Ok(answer.map(|pages| Digest::of(&rows(pages), forgotten_before)))
    }
}
