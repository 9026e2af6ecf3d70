//! Who can reach whom, and how fast: partitions, slow ways, and streams that are cut or half-open.

mod streams;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub(crate) use streams::{Stream, StreamId};
pub(crate) use wire::Wire;

use crate::{
    chance::Chance,
    clock::{MS, Time},
};

/// A process, or a device of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A gateway.
    Gateway(usize),
    /// A pod of the message service.
    Pod(usize),
    /// A replica of its storage.
    Replica(usize),
    /// The WebSocket manager.
    Manager,
    /// A device.
    Device(usize),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(n) => write!(f, "gateway-{n}"),
            Self::Pod(n) => write!(f, "pod-{n}"),
            Self::Replica(n) => write!(f, "replica-{n}"),
            Self::Manager => write!(f, "manager"),
            Self::Device(n) => write!(f, "device-{n}"),
        }
    }
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    chance: Chance,
    /// Partitions, by the fault that made them: what is sent from one to the other does not arrive.
    cuts: BTreeMap<u64, BTreeSet<(Node, Node)>>,
    /// Nodes that are far away for a while, by fault, and how much slower.
    slow: BTreeMap<u64, (Node, u64)>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    next: StreamId,
}

impl Network {
    pub(crate) fn new(chance: Chance) -> Self {
        Self {
            chance,
            cuts: BTreeMap::new(),
            slow: BTreeMap::new(),
            streams: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn cut(&mut self, fault: u64, ways: BTreeSet<(Node, Node)>) {
        self.cuts.insert(fault, ways);
    }

    pub(crate) fn slow_down(&mut self, fault: u64, node: Node, factor: u64) {
        self.slow.insert(fault, (node, factor));
    }

    /// A fault is over.
    pub(crate) fn mend(&mut self, fault: u64) {
        self.cuts.remove(&fault);
        self.slow.remove(&fault);
    }

    pub(crate) fn reaches(&self, from: Node, to: Node) -> bool {
        !self.cuts.values().any(|ways| ways.contains(&(from, to)))
    }

    /// How long something takes on its way.
    pub(crate) fn delay(&mut self, from: Node, to: Node) -> Time {
        let client = matches!(from, Node::Device(_)) || matches!(to, Node::Device(_));
        let (least, most) = if client { (5 * MS, 60 * MS) } else { (MS / 5, 3 * MS) };
        // One packet in thirty is sent again.
        let hiccup = if self.chance.one_in(30) { self.chance.between(0, 200 * MS) } else { 0 };
        let slow = self.slow.values().filter(|(node, _)| *node == from || *node == to);
        let factor = slow.map(|(_, factor)| *factor).max().unwrap_or(1);
        (self.chance.between(least, most) + hiccup) * factor
    }
}
