//! The world: who is there, and what happens next.

use crate::{
    chance::Chance,
    client::Client,
    clock::{S, Time},
    directory::Directory,
    executor::Executor,
    gateway::Gateway,
    network::{Network, Node},
    oracle::{KNOWN, Oracle, Violation},
    processes::Processes,
    queue::Queue,
    shape::Shape,
    storage::{Pod, Replica, Wires},
    trace::Trace,
};

/// When all is healed: how long until everybody has to have a route, and fresh messages have to arrive at
/// once. Leases, walks over sessions and back-offs take less.
pub(crate) const CALM: Time = 60 * S;

/// How long fresh messages may take.
pub(crate) const FRESH: Time = 15 * S;

/// How long after the healing everything must have arrived: a period of the backstop's probes, and one
/// more for a probe that failed.
pub(crate) const SETTLED: Time = 420 * S;

/// A fleet and its users, from a seed.
pub struct World {
    pub(crate) shape: Shape,
    pub(crate) now: Time,
    pub(crate) queue: Queue,
    pub(crate) chance: Chance,
    /// Who types when.
    pub(crate) typing: Chance,
    /// Who watches whom, and hides when.
    pub(crate) watching: Chance,
    /// What is said in the group; likewise.
    pub(crate) grouping: Chance,
    /// How replicas are tended.
    pub(crate) tending: Chance,
    pub(crate) processes: Processes,
    pub(crate) network: Network,
    pub(crate) executor: Executor,
    pub(crate) wires: Wires,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) directory: Directory,
    pub(crate) clients: Vec<Client>,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    pub(crate) events: u64,
    /// Everything has arrived, and inboxes stay as they are.
    pub(crate) settled: bool,
    pub(crate) over: bool,
}

/// How a world ended.
#[derive(Debug)]
pub struct Outcome {
    /// A promise that was broken.
    pub violation: Option<Violation>,
    /// What happened, if it was to be kept.
    pub trace: Vec<String>,
    /// How many events there were.
    pub events: u64,
    /// How many sends clients made.
    pub sends: u64,
    /// How many faults there were.
    pub faults: usize,
}

impl World {
    /// Plays a world from its beginning to its end.
    pub fn play(shape: Shape, keep_trace: bool) -> Outcome {
        let mut world = Self::new(shape);
        world.trace.kept = keep_trace;
        world.start();
        while !world.over && world.oracle.violation.is_none() {
            let Some((at, to, what)) = world.queue.pop() else { break };
            world.now = at;
            world.events += 1;
            let what = match to {
                Some((node, life)) => world.processes.take_in(node, life, what),
                None => Some(what),
            };
            if let Some(what) = what {
                what(&mut world);
            }
            world.run_tasks();
        }
        Outcome {
            violation: world.oracle.violation.take(),
            trace: std::mem::take(&mut world.trace.lines),
            events: world.events,
            sends: world.oracle.sends(),
            faults: world.shape.faults.len(),
        }
    }

    fn new(shape: Shape) -> Self {
        let seed = shape.seed;
        let mut chance = Chance::new(seed, 2);
        let clients = Client::all(&shape);
        Self {
            now: 0,
            queue: Queue::default(),
            processes: Processes::default(),
            network: Network::new(Chance::new(seed, 3)),
            executor: Executor::default(),
            wires: Wires::default(),
            gateways: (0..shape.gateways).map(|n| Gateway::new(n, seed, &mut chance)).collect(),
            pods: Vec::new(),
            replicas: (0..shape.replicas).map(|at| Replica::new(at, &shape, &mut chance)).collect(),
            directory: Directory::new(),
            oracle: Oracle::new(clients.iter().map(|client| &client.home), shape.replicas),
            clients,
            trace: Trace::default(),
            events: 0,
            settled: false,
            over: false,
            chance,
            typing: Chance::new(seed, 7),
            watching: Chance::new(seed, 31),
            grouping: Chance::new(seed, 8),
            tending: Chance::new(seed, 43),
            shape,
        }
    }

    fn start(&mut self) {
        self.processes.start(Node::Manager);
        for replica in 0..self.shape.replicas {
            self.processes.start(Node::Replica(replica));
        }
        for pod in 0..self.shape.pods {
            self.pods.push(Pod::default());
            self.start_pod(pod);
        }
        for gateway in 0..self.shape.gateways {
            self.start_gateway(gateway);
        }
        for device in 0..self.clients.len() {
            self.processes.start(Node::Device(device));
            self.start_client(device);
        }
        self.plan_group();
        self.plan_manager_copies();
        self.audit();
        if let Some(within) = self.shape.mood.within() {
            self.check_prompt(within);
        }
        if self.shape.mood.is_gentle() {
            self.check_leaving();
            self.check_unmoved();
            self.note_who_is_here();
        }
        self.plan_faults();
        let healed = self.shape.trouble;
        self.at(healed, Self::heal);
        self.at(healed, Self::watch_everybody);
        self.at(healed + CALM, Self::check_routes);
        self.at(healed + CALM, Self::send_fresh);
        self.at(healed + CALM + FRESH, Self::check_fresh);
        self.at(healed + CALM + FRESH, Self::look_whether_settled);
    }

    fn look_whether_settled(&mut self) {
        self.compare_replicas();
        if self.is_settled() || self.now >= self.shape.trouble + SETTLED {
            self.check_everything();
            self.settled = true;
            // Who has begun to watch, or to hide, just now is not known yet.
            self.at(self.now + KNOWN, Self::check_sights_soon);
        } else {
            self.at(self.now + 5 * S, Self::look_whether_settled);
        }
    }

    /// Something happens to nobody in particular.
    pub(crate) fn at(&mut self, at: Time, what: impl FnOnce(&mut Self) + 'static) {
        self.queue.push(at, None, Box::new(what));
    }

    /// Something happens to a node, unless it dies before; a node that pauses has it when it goes on.
    pub(crate) fn later(
        &mut self,
        node: Node,
        delay: Time,
        what: impl FnOnce(&mut Self) + 'static,
    ) {
        let life = self.processes.life(node);
        self.later_in(node, life, delay, what);
    }

    /// The same, for one life of the node.
    pub(crate) fn later_in(
        &mut self,
        node: Node,
        life: u64,
        delay: Time,
        what: impl FnOnce(&mut Self) + 'static,
    ) {
        self.queue.push(self.now + delay, Some((node, life)), Box::new(what));
    }

    /// A node that paused goes on with what has come in the meantime.
    pub(crate) fn resume(&mut self, node: Node) {
        for (life, what) in self.processes.resume(node) {
            self.queue.push(self.now + 1, Some((node, life)), what);
        }
    }

    fn run_tasks(&mut self) {
        loop {
            self.send_to_replicas();
            match self.executor.step() {
                Some(Some(ended)) => ended(self),
                Some(None) => {}
                None => return,
            }
        }
    }
}
