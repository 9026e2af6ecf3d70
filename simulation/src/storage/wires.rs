//! Between pods and replicas: what futures ask for leaves here, and answers come back into their slots.

use std::sync::{Arc, Mutex};

use chatcluster_protocol::Millis;
use messages_core::{
    apply::{Batch, UnitReply},
    digest::Digest,
    replica::{Answer, Replica, ReplicaError},
    view::{Rows, Scan},
};

use crate::{
    clock::{S, Time},
    executor::{Slot, locked},
    network::Node,
    world::World,
};

/// How long a pod waits for a replica.
const WITHIN: Time = 4 * S;

/// The answer to an apply.
pub(super) type Applied = Result<Answer<Vec<Vec<UnitReply>>>, ReplicaError>;

/// The answer to a read.
pub(super) type Answered = Result<Answer<Vec<Rows>>, ReplicaError>;

/// The answer to the question what is there, in short.
pub(super) type Digested = Result<Answer<Digest>, ReplicaError>;

/// What pods ask replicas for, until it is on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<Vec<Request>>>);

#[derive(Debug)]
struct Request {
    pod: usize,
    replica: usize,
    asked: Asked,
}

/// What a replica is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Apply(Arc<[Batch]>, Slot<Applied>),
    Read(Arc<[Scan]>, Slot<Answered>),
    Digest(Scan, Millis, Slot<Digested>),
}

/// A replica as a pod sees it.
#[derive(Debug)]
pub(crate) struct RemoteReplica {
    pub(super) pod: usize,
    pub(super) replica: usize,
    pub(super) wires: Wires,
}

impl RemoteReplica {
    fn ask(&self, asked: Asked) {
        let Self { pod, replica, wires } = self;
        locked(&wires.0).push(Request { pod: *pod, replica: *replica, asked });
    }
}

impl Replica for RemoteReplica {
    async fn apply(&self, batches: Arc<[Batch]>) -> Applied {
        let slot = Slot::new();
        self.ask(Asked::Apply(batches, slot.clone()));
        slot.await
    }

    async fn read(&self, scans: Arc<[Scan]>) -> Answered {
        let slot = Slot::new();
        self.ask(Asked::Read(scans, slot.clone()));
        slot.await
    }

    async fn digest(&self, scan: Scan, forgotten_before: Millis) -> Digested {
        let slot = Slot::new();
        self.ask(Asked::Digest(scan, forgotten_before, slot.clone()));
        slot.await
    }
}

impl World {
    /// Sends off what the pods' futures have asked for.
    pub(crate) fn send_to_replicas(&mut self) {
        let requests = std::mem::take(&mut *locked(&self.wires.0));
        for Request { pod, replica, asked } in requests {
            let (from, to) = (Node::Pod(pod), Node::Replica(replica));
            match &asked {
                Asked::Apply(_, slot) => self.give_up_later(from, slot),
                Asked::Read(_, slot) => self.give_up_later(from, slot),
                Asked::Digest(.., slot) => self.give_up_later(from, slot),
            }
            if self.network.reaches(from, to) {
                let delay = self.storage_delay(from, to);
                let life = self.processes.life(from);
                self.later(to, delay, move |world| {
                    world.replica_asked(replica, (pod, life), asked)
                });
            }
        }
    }

    /// A pod does not wait for ever.
    fn give_up_later<T: 'static>(&mut self, pod: Node, slot: &Slot<Result<T, ReplicaError>>) {
        let late = ReplicaError::Unavailable("no answer in time".into());
        let slot = slot.clone();
        self.later(pod, WITHIN, move |_| slot.fill(Err(late)));
    }

    /// An answer on its way to a pod.
    pub(super) fn answer_pod<T: 'static>(
        &mut self,
        replica: usize,
        (pod, life): (usize, u64),
        slot: Slot<T>,
        answer: T,
    ) {
        let (from, to) = (Node::Replica(replica), Node::Pod(pod));
        if self.network.reaches(from, to) {
            let delay = self.storage_delay(from, to);
            self.later_in(to, life, delay, move |_| slot.fill(answer));
        }
    }

    /// One replica is in the pod's own process.
    fn storage_delay(&mut self, from: Node, to: Node) -> Time {
        if self.shape.replicas == 1 { 1 } else { self.network.delay(from, to) }
    }
}
