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

use chatcluster_erlang::{CallError, Node, Settings, Term};
use chatcluster_protocol::Millis;
use messages_core::{
    apply::{Batch, UnitReply},
    digest::Digest,
    replica::{Answer, Replica, ReplicaError},
    view::{Rows, Scan},
};
use tokio::{sync::Mutex, time::timeout};

use self::{
    wire::{Identity, SCHEMA},
    writer::Writer,
};
use crate::{
    Clock, Metrics,
    queue::{Queue, WITHIN, unavailable},
};

/// What a call is told that waits for too long.
const LATE: &str = "it does not answer";

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
    queue: Queue,
}

/// The node, and which one it is.
#[derive(Debug)]
struct NodeLink {
    node: Node,
    removal: Removal,
    identity: Mutex<Option<Identity>>,
}

impl Mnesia {
    /// The replica on the node that `settings` lead to. Begins to connect; calls fail until there is a connection.
    pub fn new(settings: Settings, removal: Removal, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let (node, identity) = (Node::new(settings), Mutex::default());
        let link = Arc::new(NodeLink { node, removal, identity });
        let (queue, requests) = Queue::new(metrics, LATE);
        tokio::spawn(Writer::new(link.clone(), clock).run(requests));
        Self { link, queue }
    }

    /// Waits until the node answers, and is one whose tables we know.
    ///
    /// # Errors
    /// Why it does not, after `within`.
    pub async fn connected(&self, within: Duration) -> Result<(), ReplicaError> {
        self.link.node.connected(within).await.map_err(failed)?;
        self.link.identity().await.map(drop)
    }

    /// Asks the node, as whoever it is now.
    async fn ask<T, const N: usize>(
        &self,
        function: &str,
        arguments: impl Fn(&Identity) -> [Term; N] + Send,
        read: impl Fn(Term) -> Result<T, ReplicaError> + Send,
    ) -> Result<Answer<T>, ReplicaError> {
        let asked = async {
            let identity = self.link.identity().await?;
            let said = self.link.call_as(&identity, function, &arguments(&identity)).await?;
            Ok(Answer { by: identity.number, what: read(said)? })
        };
        timeout(WITHIN, asked).await.unwrap_or_else(|_| Err(unavailable(LATE)))
    }
}

impl NodeLink {
    /// Who the node was when it said so last. It is meant whenever it is called: what is there after its disk was
    /// emptied is another one.
    async fn identity(&self) -> Result<Identity, ReplicaError> {
        // Who asks first is waited for by the others.
        let mut known = self.identity.lock().await;
        if let Some(identity) = &*known {
            return Ok(identity.clone());
        }
        let identity = self.introduce().await?;
        *known = Some(identity.clone());
        Ok(identity)
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
        if !described.whole && self.removal == Removal::Gone {
            return Err(unavailable("its files were damaged, and there is no other replica"));
        }
        Ok(described.identity)
    }

    /// Calls the node as the one that it was. Where it is another one by now, the next call is for that one, unless
    /// there is no other replica: then all is lost, and nobody takes an empty one for it.
    async fn call_as(
        &self,
        identity: &Identity,
        function: &str,
        arguments: &[Term],
    ) -> Result<Term, ReplicaError> {
        let said = self.call(function, arguments).await?;
        if wire::is_another(&said) && self.removal == Removal::Tombstone {
            let mut known = self.identity.lock().await;
            if known.as_ref() == Some(identity) {
                *known = None;
            }
        }
        Ok(said)
    }

    async fn call(&self, function: &str, arguments: &[Term]) -> Result<Term, ReplicaError> {
        self.node.call("chatcluster_node", function, arguments, WITHIN).await.map_err(failed)
    }
}

impl Replica for Mnesia {
    async fn apply(
        &self,
        batches: Arc<[Batch]>,
    ) -> Result<Answer<Vec<Vec<UnitReply>>>, ReplicaError> {
        self.queue.apply(batches).await
    }

    async fn read(&self, scans: Arc<[Scan]>) -> Result<Answer<Vec<Rows>>, ReplicaError> {
        self.ask(
            "read",
            |identity| wire::read(identity, &scans),
            |said| wire::rows_of_all(said, &scans),
        )
        .await
    }

    async fn digest(
        &self,
        scan: Scan,
        forgotten_before: Millis,
    ) -> Result<Answer<Digest>, ReplicaError> {
        let arguments = |identity: &_| wire::digest(identity, &scan, forgotten_before);
        self.ask("digest", arguments, wire::digested).await
    }
}

/// What a failed call means for a write: that its outcome is unknown, unless it says that nothing was done.
fn failed(error: CallError) -> ReplicaError {
    match error {
        // The node has not heard of it.
        CallError::Overloaded | CallError::TooLarge(_) => ReplicaError::Busy,
        error => unavailable(error.to_string()),
    }
}
