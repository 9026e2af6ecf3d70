//! A replica: an ordered map in memory. Writes join the transaction that is being synced; nobody sees
//! them, and nobody is answered, before it is on disk. A crash loses what was not.

use chatcluster_protocol::planted::{Bug, planted};
use messages_core::{
    apply::{self, Stop, UnitReply},
    digest::Digest,
    key, record,
    replica::{Answer, Identity, ReplicaError},
    roster::Roster,
    view::{MemoryView, View, ViewError},
};

use super::{
    recording::Recording,
    wires::{Answered, Applied, Asked, Digested},
};
use crate::{
    chance::Chance,
    clock::{Clock, MS, Time},
    coverage::hit,
    executor::Slot,
    network::Node,
    shape::Shape,
    trace::trace,
    world::World,
};

/// Applies that wait for the next transaction; one more is `Busy`.
const QUEUE: usize = 64;

/// A replica.
pub(crate) struct Replica {
    /// What is on disk.
    pub(crate) view: MemoryView,
    pub(crate) identity: Identity,
    /// There is no other one.
    alone: bool,
    pub(crate) clock: Clock,
    writing: Vec<Writing>,
    syncing: bool,
    /// The longest sync.
    pub(crate) sync: Time,
    /// Its disk takes nothing, or it has too much to do.
    pub(crate) failing: bool,
    pub(crate) busy: bool,
}

struct Writing {
    pod: (usize, u64),
    batches: std::sync::Arc<[apply::Batch]>,
    slot: Slot<Applied>,
}

impl Replica {
    pub(crate) fn new(at: usize, shape: &Shape, chance: &mut Chance) -> Self {
        let alone = shape.replicas == 1;
        let view = if alone { MemoryView::default() } else { MemoryView::with_tombstones() };
        let drift = chance.between(0, 400) as i64 - 200;
        Self {
            view,
            identity: Identity(at as u128),
            alone,
            clock: Clock::new(0, drift, chance.between(0, 200) as i64 - 100),
            writing: Vec::new(),
            syncing: false,
            sync: 4 * MS,
            failing: false,
            busy: false,
        }
    }

    /// All that was on its disk is gone, and it is another one.
    pub(crate) fn empty(&mut self) {
        self.view = MemoryView::with_tombstones();
        self.identity.0 += 1 << 64;
    }

    /// Whether its word counts, as far as it knows.
    pub(crate) fn votes(&self) -> bool {
        if self.alone {
            return true;
        }
        let key = key::roster();
        let row = self.view.map().get(&key);
        let roster = row.and_then(|row| record::decode::<Roster>(&key, row).ok()).flatten();
        roster.is_some_and(|roster| roster.votes(self.identity))
    }

    /// The process dies: what was not on disk is gone.
    pub(crate) fn crash(&mut self) {
        if !self.writing.is_empty() {
            hit("replica: lost unsynced writes");
        }
        self.writing.clear();
        self.syncing = false;
    }
}

/// What a replica has found, as it says it.
fn said<T>(by: Identity, found: Result<T, ViewError>) -> Result<Answer<T>, ReplicaError> {
    match found {
        Ok(what) => Ok(Answer { by, what }),
        Err(error) => Err(ReplicaError::Unavailable(error.to_string())),
    }
}

impl World {
    pub(super) fn replica_asked(&mut self, at: usize, pod: (usize, u64), asked: Asked) {
        let replica = &mut self.replicas[at];
        match asked {
            Asked::Read(scans, slot) => {
                let rows = scans.iter().map(|scan| replica.view.scan(scan)).collect();
                let rows: Answered = said(replica.identity, rows);
                self.answer_pod(at, pod, slot, rows);
            }
            Asked::Digest(scan, forgotten_before, slot) => {
                let rows = replica.view.scan(&scan);
                let digest = rows.map(|rows| Digest::of(&rows, forgotten_before));
                let digest: Digested = said(replica.identity, digest);
                self.answer_pod(at, pod, slot, digest);
            }
            Asked::Apply(_, slot) if replica.busy || replica.writing.len() >= QUEUE => {
                hit("replica: busy");
                self.answer_pod(at, pod, slot, Err(ReplicaError::Busy));
            }
            Asked::Apply(batches, slot) => {
                let slot = if planted(Bug::AnswerBeforeSync) {
                    let (mut early, wall) = (replica.view.clone(), replica.clock.wall(self.now));
                    let applied = batches.iter().map(|b| apply::apply(&mut early, b, wall));
                    let applied = said(replica.identity, applied.collect());
                    self.answer_pod(at, pod, slot, applied);
                    Slot::new()
                } else {
                    slot
                };
                let replica = &mut self.replicas[at];
                replica.writing.push(Writing { pod, batches, slot });
                if !replica.syncing {
                    replica.syncing = true;
                    let sync = self.chance.between(MS / 4, replica.sync);
                    self.later(Node::Replica(at), sync, move |world| world.replica_syncs(at));
                }
            }
        }
    }

    fn replica_syncs(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        replica.syncing = false;
        let (wall, by) = (replica.clock.wall(self.now), replica.identity);
        let voted = replica.votes();
        let mut answers = Vec::new();
        let mut changes = Vec::new();
        for Writing { pod, batches, slot } in std::mem::take(&mut replica.writing) {
            let mut recording = Recording::new(&mut replica.view);
            let applied: Applied = if replica.failing {
                Err(ReplicaError::Unavailable("the disk is full".into()))
            } else {
                let applied = batches.iter().map(|b| apply::apply(&mut recording, b, wall));
                said(by, applied.collect())
            };
            changes.append(&mut recording.changes);
            count(&applied);
            answers.push((pod, slot, applied));
        }
        for change in changes {
            self.check_change(at, &change);
        }
        if !voted && self.replicas[at].votes() {
            self.check_let_in(at);
        }
        for (pod, slot, applied) in answers {
            if let Ok(Answer { what: replies, .. }) = &applied {
                for reply in replies.iter().flatten() {
                    if let Some(stop) = &reply.stop {
                        trace!(self, Node::Replica(at), "stops a unit: {stop:?}");
                    }
                }
            }
            self.answer_pod(at, pod, slot, applied);
        }
    }
}

fn count(applied: &Applied) {
    let Ok(Answer { what: replies, .. }) = applied else { return };
    for UnitReply { stop, .. } in replies.iter().flatten() {
        match stop {
            Some(Stop::Complete(..)) => hit("replica: complete"),
            Some(Stop::Pending(_)) => hit("replica: pending"),
            Some(Stop::OutOfOrder(_)) => hit("replica: out of order"),
            Some(Stop::StaleGroup) => hit("replica: stale group"),
            Some(Stop::StaleRegistry) => hit("replica: stale registry"),
            Some(Stop::TooOld) => hit("replica: too old"),
            Some(Stop::TooNew) => hit("replica: too new"),
            _ => {}
        }
    }
}
