//! What the operator sees of a Redis Cluster, and what it wants.

use std::fmt;

use crate::Slots;

/// How many shards, and how many replicas each of them has beside its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// Shards; at least one.
    pub shards: usize,
    /// Replicas per shard.
    pub replicas: usize,
}

/// All nodes that should run, each with its own story.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// In any order; the plan prefers earlier ones where it has a choice.
    pub members: Vec<Member>,
}

/// A node that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name of its pod or process; commands are addressed by it.
    pub name: String,
    /// The shard it was made for, counted from 0.
    pub shard: usize,
    /// Where it runs.
    pub place: Place,
    /// What it answered, if it did.
    pub seen: Seen,
}

/// How a member was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It answered, and [`View::is_of`] its place.
    Answers(View),
    /// It did not answer, and may run all the same: it starts, hangs, or is cut off.
    Silent,
    /// It certainly does not run: there is no such pod or process, or it has ended. Only whoever
    /// starts the nodes can know.
    Absent,
}

impl Member {
    /// What it answered, if it did.
    pub fn view(&self) -> Option<&View> {
        match &self.seen {
            Seen::Answers(view) => Some(view),
            Seen::Silent | Seen::Absent => None,
        }
    }
}

/// Where a member runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// IP address, since `CLUSTER MEET` takes no names.
    pub ip: String,
    /// Client port.
    pub port: u16,
    /// Port of the cluster bus.
    pub bus: u16,
    /// The name that the node announces (`cluster-announce-hostname`), if it does.
    pub hostname: Option<String>,
}

/// The id that a node gave itself when it started: 40 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub String);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As much as people compare.
        f.write_str(self.0.get(..8).unwrap_or(&self.0))
    }
}

/// The cluster as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The node that has this view.
    pub me: NodeId,
    /// Whether it would serve clients (`cluster_state:ok`).
    pub ok: bool,
    /// How far it is in its master's stream of changes, in bytes; of two replicas, the one with more has
    /// the fresher copy.
    pub offset: u64,
    /// All nodes it knows, itself included.
    pub known: Vec<Known>,
}

/// A node as another one, or it itself, sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: NodeId,
    /// Its IP address; empty if unknown.
    pub ip: String,
    /// Its client port; 0 if unknown.
    pub port: u16,
    /// The name that it announced, if it did.
    pub hostname: Option<String>,
    /// Its part in the cluster.
    pub role: Role,
    /// Held for failed, by this node alone (`fail?`) or by a majority (`fail`).
    pub failing: bool,
    /// Another node answered at its address (`noaddr`).
    pub displaced: bool,
    /// The version of its claim on its slots; a higher one wins.
    pub epoch: u64,
    /// Its slots.
    pub slots: Slots,
}

/// The part of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A master, with slots or without.
    Master,
    /// A replica of this master.
    Replica(NodeId),
    /// Just being introduced: its id is not its real one yet.
    Handshake,
}

impl View {
    /// What this node says of itself.
    pub fn myself(&self) -> Option<&Known> {
        self.of(&self.me)
    }

    /// Whether this is the answer of the node of this place. Addresses are handed from pod to pod, so
    /// another one may have answered there; names tell.
    pub fn is_of(&self, place: &Place) -> bool {
        self.myself().is_some_and(|myself| match (&myself.hostname, &place.hostname) {
            (Some(announced), Some(hostname)) => announced == hostname,
            _ => true,
        })
    }

    /// What this node says of another.
    pub fn of(&self, id: &NodeId) -> Option<&Known> {
        self.known.iter().find(|known| known.id == *id && known.role != Role::Handshake)
    }
}

impl Known {
    /// Whether it was last seen at this place. Names decide where there are any: addresses are handed
    /// from pod to pod.
    pub fn is_at(&self, place: &Place) -> bool {
        match (&self.hostname, &place.hostname) {
            (Some(announced), Some(hostname)) => announced == hostname,
            _ => self.ip == place.ip && self.port == place.port,
        }
    }
}
