//! Writes on their way to the one that carries them out: bounded in number and in bytes, each with a deadline.

use std::{sync::Arc, time::Duration};

use messages_core::{
    apply::{Batch, UnitReply},
    replica::{Answer, ReplicaError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::Metrics;

/// Writes that wait for their transaction. At a commit of 10 ms and 256 in each, the last of them
/// waits for 40 ms; more than that is better refused and spread by the senders.
const QUEUE: usize = 1024;

/// Bytes, in KiB, that waiting writes may hold.
const QUEUE_KIB: usize = 64 * 1024;

/// A commit takes milliseconds. When it hangs for longer than this, callers learn that they know
/// nothing; the write goes on.
pub(crate) const WITHIN: Duration = Duration::from_secs(8);

/// The replies to each unit of each batch.
pub(crate) type Replies = Vec<Vec<UnitReply>>;

/// What becomes of a request, and on which replica.
pub(crate) type Outcome = Result<Answer<Replies>, ReplicaError>;

/// Batches, and where their outcome goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) batches: Arc<[Batch]>,
    answer: oneshot::Sender<Outcome>,
    /// Its part of the queue's bytes.
    _room: OwnedSemaphorePermit,
}

impl Request {
    /// Tells the caller, who may not be waiting any more.
    pub(crate) fn answer(self, outcome: Outcome) {
        let _ = self.answer.send(outcome);
    }
}

/// Where writes are handed over. Clones lead to the same place.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// Why there is no answer in time.
    late: &'static str,
}

impl Queue {
    /// A queue, and its other end.
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        late: &'static str,
    ) -> (Self, mpsc::Receiver<Request>) {
        let (requests, waiting) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(QUEUE_KIB));
        (Self { requests, room, metrics, late }, waiting)
    }

    /// Waits for the outcome. Once this has been polled, the write is carried out, also when it is dropped.
    pub(crate) async fn apply(&self, batches: Arc<[Batch]>) -> Outcome {
        let size: usize = batches.iter().map(Batch::size).sum();
        let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX);
        let busy = || {
            self.metrics.writes_refused.inc();
            ReplicaError::Busy
        };
        let room = self.room.clone().try_acquire_many_owned(kib).map_err(|_| busy())?;
        let (answer, answered) = oneshot::channel();
        match self.requests.try_send(Request { batches, answer, _room: room }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(busy()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(unavailable("its writer has ended"));
            }
        }
        match timeout(WITHIN, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(unavailable("its writer has ended")),
            Err(_) => Err(unavailable(self.late)),
        }
    }
}

/// For people: why a replica cannot be used.
pub(crate) fn unavailable(text: impl Into<String>) -> ReplicaError {
    ReplicaError::Unavailable(text.into())
}
