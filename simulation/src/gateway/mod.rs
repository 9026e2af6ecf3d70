//! A gateway: the product's machines, and around them what `gateway/src/hub` is elsewhere. It decides
//! nothing; an effect becomes a call, a frame or an input, and the answer of a call an input again.

mod calls;
mod claims;
mod clients;
mod convert;
mod fleet;
mod links;
mod machines;
mod peers;
mod presence;
mod routing;
mod sessions;
mod typing;

use std::{collections::BTreeMap, time::Duration};

use chatcluster_manager::Lease;
use chatcluster_protocol::{Millis, id::HybridClock};
use gateway_core::{ConnectionId, Incarnation, Machines, Rates, Session};
use links::Link;

use crate::{
    chance::Chance,
    clock::{Clock, MS, Time},
    network::{Node, StreamId},
    trace::trace,
    world::World,
};

/// How long a client may be silent.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often deadlines are looked at, and how many looks make a second.
const LOOK: Time = 200 * MS;
const LOOKS: u64 = 5;

/// The port of all peers; the host tells them apart.
const PORT: u16 = 8444;

/// A gateway, if it runs; else what stays of it.
pub(crate) struct Gateway {
    number: usize,
    pub(crate) clock: Clock,
    machines: Machines,
    ids: HybridClock,
    rates: Rates,
    own: Vec<Incarnation>,
    pub(crate) cells: BTreeMap<ConnectionId, Cell>,
    next: u64,
    links: Vec<Link>,
    next_link: u64,
    appends: Vec<calls::AppendJob>,
    acks: Vec<calls::AckJob>,
    pub(crate) refusing: bool,
    pub(crate) draining: bool,
    /// Its queues take nothing.
    pub(crate) full: bool,
    chance: Chance,
}

/// A session and its socket.
pub(crate) struct Cell {
    pub(crate) session: Session,
    pub(crate) stream: StreamId,
    /// The socket is there; without it only answers still reach the session.
    pub(crate) listed: bool,
    /// Answers that have not come.
    calls: usize,
    ending: bool,
    /// When the oldest token was issued that it was opened or renewed by, and the one that is being verified.
    pub(crate) issued: Option<Millis>,
    offered: Millis,
    /// When its device was registered, if it was.
    registered: Time,
}

impl Gateway {
    pub(crate) fn new(number: usize, seed: u64, chance: &mut Chance) -> Self {
        let drift = chance.between(0, 1000) as i64 - 500;
        let clock = Clock::new(0, drift, chance.between(0, 400) as i64 - 200);
        Self::on(number, clock, 0, seed)
    }

    /// A process that starts now on a machine with this clock.
    fn on(number: usize, clock: Clock, now: Time, seed: u64) -> Self {
        let mut chance = Chance::new(seed, 100 + number as u64);
        let machines = machines::machines(clock.now(now), &mut chance);
        Self {
            number,
            clock,
            own: machines.lease.own().to_vec(),
            machines,
            ids: HybridClock::default(),
            rates: Rates::default(),
            cells: BTreeMap::new(),
            next: 1,
            links: Vec::new(),
            next_link: 0,
            appends: Vec::new(),
            acks: Vec::new(),
            refusing: false,
            draining: false,
            full: false,
            chance,
        }
    }

    pub(crate) fn present(&self) -> Incarnation {
        self.own.last().copied().unwrap_or(Incarnation(uuid::Uuid::nil()))
    }

    fn lease_of(&self, incarnation: Incarnation) -> Lease {
        Lease {
            incarnation: chatcluster_manager::Incarnation(incarnation.0),
            gateway: format!("gateway-{}", self.number),
            host: self.number.to_string(),
            port: PORT,
        }
    }

    /// Deliveries and evictions without an end.
    pub(crate) fn pending(&self) -> usize {
        self.machines.router.pending() + self.machines.evictions.pending()
    }
}

impl World {
    /// A gateway begins another life, with clocks that go on.
    pub(crate) fn start_gateway(&mut self, at: usize) {
        let node = Node::Gateway(at);
        self.processes.start(node);
        let seed = self.chance.between(0, u64::MAX);
        let gateway = &mut self.gateways[at];
        // Monotonic time counts from the start of the process.
        let clock = gateway.clock.restarted(self.now);
        let (full, rates) = (gateway.full, self.shape.rates());
        *gateway = Gateway { full, rates, ..Gateway::on(at, clock, self.now, seed) };
        trace!(self, node, "starts as {}", self.gateways[at].present());
        let first = self.chance.between(1, LOOK);
        self.later(node, first, move |world| world.gateway_looks(at, 0));
    }

    /// A gateway dies. Its sockets break, or with its machine nobody tells their other ends.
    pub(crate) fn crash_gateway(&mut self, at: usize, with_its_machine: bool) {
        let node = Node::Gateway(at);
        trace!(self, node, "dies; with its machine: {with_its_machine}");
        for (stream, end) in self.streams_of(node) {
            if with_its_machine {
                self.silence(stream, end);
            } else {
                self.hang_up(stream, end);
            }
        }
        self.processes.stop(node);
        self.gateways[at].cells.clear();
    }

    fn gateway_looks(&mut self, at: usize, look: u64) {
        self.tell(at, |machines, now, out| machines.look(now, out));
        self.give_sessions_time(at);
        if look.is_multiple_of(LOOKS) {
            self.tick_machines(at);
        }
        self.later(Node::Gateway(at), LOOK, move |world| world.gateway_looks(at, look + 1));
    }
}
