//! A replica on a database node: an ordered map in Mnesia, which Erlang keeps (`messages/node`).
//!
//! The node knows nothing of messages. What a batch comes to is decided here, by the core
//! ([`messages_core::apply`]), over what the map is *believed* to hold; the node writes only if all that the
//! decision has read is so, and else says what is true, and it is decided anew. So several services can write to
//! one node without a leader, and most writes take one call.
//!
//! - [`known`]: what the map is believed to hold; [`decision`]: a decision over that
//! - [`writer`]: one task that decides what has gathered, and has it written
//! - [`wire`]: calls and answers as Erlang's terms

mod decision;
mod known;
mod wire;
mod writer;

use std::{sync::Arc, time::Duration};

use chatcluster_erlang::{CallError, Node, Settings};
use messages_core::{
    apply::{Batch, UnitReply},
    replica::{Replica, ReplicaError},
    view::{Rows, Scan},
};
use tokio::{
    sync::{OnceCell, Semaphore, mpsc, oneshot},
    time::timeout,
};

use self::{
    wire::{Identity, SCHEMA},
    writer::{Request, Writer},
};
use crate::{Clock, Metrics};

/// Writes that wait to be decided. As many as the embedded replica has wait here for the same reason.
const QUEUE: usize = 1024;

/// Bytes, in KiB, that waiting writes may hold.
const QUEUE_KIB: usize = 64 * 1024;

/// A write takes milliseconds. Callers of one that takes longer than this learn that they know nothing.
const WITHIN: Duration = Duration::from_secs(8);

/// What becomes of a record that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone: this is the only replica.
    Gone,
    /// A tombstone takes its place, for the other replicas.
    Tombstone,
}

/// A replica on a node. Clones are the same replica.
#[derive(Debug, Clone)]
pub struct Mnesia {
    link: Arc<NodeLink>,
    queue: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// The node, and which one it is.
#[derive(Debug)]
struct NodeLink {
    node: Node,
    identity: OnceCell<Identity>,
}

impl Mnesia {
    /// The replica on the node that `settings` lead to. Begins to connect; calls fail until there is a connection.
    pub fn new(settings: Settings, removal: Removal, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let link = Arc::new(NodeLink { node: Node::new(settings), identity: OnceCell::new() });
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(Writer::new(link.clone(), removal, clock).run(requests));
        Self { link, queue, room: Arc::new(Semaphore::new(QUEUE_KIB)), metrics }
    }

    /// Waits until the node answers, and is one whose tables we know.
    ///
    /// # Errors
    /// Why it does not, after `within`.
    pub async fn connected(&self, within: Duration) -> Result<(), ReplicaError> {
        self.link.node.connected(within).await.map_err(failed)?;
        self.link.identity().await.map(drop)
    }
}

impl NodeLink {
    /// Who the node was when it answered first. It is meant whenever it is called: what is there after its disk
    /// was emptied is another one.
    async fn identity(&self) -> Result<&Identity, ReplicaError> {
        self.identity.get_or_try_init(|| self.introduce()).await
    }

    async fn introduce(&self) -> Result<Identity, ReplicaError> {
        let said = self.call("describe", &[]).await?;
        let described = wire::described(&said)?;
        if described.schema != SCHEMA {
            return Err(unavailable(format!(
                "its tables have schema {}, and this service knows {SCHEMA}",
                described.schema
            )));
        }
        if !described.whole {
            return Err(unavailable("its files were damaged: it has to be filled anew".into()));
        }
        Ok(described.identity)
    }

    async fn call(
        &self,
        function: &str,
        arguments: &[chatcluster_erlang::Term],
    ) -> Result<chatcluster_erlang::Term, ReplicaError> {
        self.node.call("chatcluster_node", function, arguments, WITHIN).await.map_err(failed)
    }
}

impl Replica for Mnesia {
    async fn apply(&self, batches: Arc<[Batch]>) -> Result<Vec<Vec<UnitReply>>, ReplicaError> {
        let size: usize = batches.iter().map(Batch::size).sum();
        let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX);
        let busy = || {
            self.metrics.writes_refused.inc();
            ReplicaError::Busy
        };
        let room = self.room.clone().try_acquire_many_owned(kib).map_err(|_| busy())?;
        let (answer, answered) = oneshot::channel();
        match self.queue.try_send(Request { batches, answer, _room: room }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(busy()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(unavailable("its writer has ended".into()));
            }
        }
        match timeout(WITHIN, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(unavailable("its writer has ended".into())),
            Err(_) => Err(unavailable("it does not answer".into())),
        }
    }

    async fn read(&self, scans: Arc<[Scan]>) -> Result<Vec<Rows>, ReplicaError> {
        let read = async {
            let identity = self.link.identity().await?;
            let said = self.link.call("read", &wire::read(identity, &scans)).await?;
            wire::rows_of_all(said, &scans)
        };
        // Who asks for the identity first is waited for by the others.
        let late = |_| Err(unavailable("it does not answer".into()));
        timeout(WITHIN, read).await.unwrap_or_else(late)
    }
}

/// What a failed call means for a write: that its outcome is unknown, unless it says that nothing was done.
fn failed(error: CallError) -> ReplicaError {
    match error {
        // The node has not heard of it.
        CallError::Overloaded | CallError::TooLarge(_) => ReplicaError::Busy,
        error => ReplicaError::Unavailable(error.to_string()),
    }
}

fn unavailable(text: String) -> ReplicaError {
    ReplicaError::Unavailable(text)
}
