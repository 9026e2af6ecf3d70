//! One task that decides what has gathered and has it written, one call at a time.

use std::{sync::Arc, time::Instant};

use chatcluster_protocol::Millis;
use messages_core::{
    apply::{self, Batch},
    replica::{Answer, ReplicaError},
    view::ViewError,
};
use tokio::sync::mpsc;

use super::{
    NodeLink,
    decision::{Decision, Read, Writes},
    known::Known,
    wire::{self, Correction, Written},
};
use crate::{
    Clock,
    queue::{Replies, Request, WITHIN, unavailable},
};

/// Most units that are decided together. It takes some milliseconds, in which this thread does nothing else.
const UNITS: usize = 256;

/// Nor are more taken when what they hold has come to this many bytes.
const BYTES: usize = 4 * 1024 * 1024;

/// How often a decision is made anew. A second time is needed whenever something was believed wrongly; more often
/// only where others write to the same keys in between.
const ATTEMPTS: usize = 16;

/// A decision that is to be written, and what is answered if it is.
struct Decided {
    read: Read,
    writes: Writes,
    /// Request by request.
    replies: Vec<Replies>,
}

pub(super) struct Writer {
    link: Arc<NodeLink>,
    clock: Clock,
    known: Known,
    /// How far the node's clock is ahead of ours, where it is too far for decisions by ours.
    ahead: i64,
}

impl Writer {
    pub(super) fn new(link: Arc<NodeLink>, clock: Clock) -> Self {
        Self { link, clock, known: Known::default(), ahead: 0 }
    }

    /// Writes what comes, until nobody is left who could ask.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.recv().await {
            let mut groups = vec![gather(first, &mut requests)];
            while let Some(mut group) = groups.pop() {
                match self.carry_out(&group).await {
                    Ok(Answer { by, what }) => {
                        for (request, what) in group.into_iter().zip(what) {
                            request.answer(Ok(Answer { by, what }));
                        }
                    }
                    // Nothing was done: a half fits into a call, and reads less that others write to.
                    Err(ReplicaError::Busy) if group.len() > 1 => {
                        let later = group.split_off(group.len() / 2);
                        groups.extend([later, group]);
                    }
                    Err(error) => {
                        self.known.forget();
                        for request in group {
                            request.answer(Err(error.clone()));
                        }
                    }
                }
            }
        }
    }

    async fn carry_out(&mut self, group: &[Request]) -> Result<Answer<Vec<Replies>>, ReplicaError> {
        let link = self.link.clone();
        let identity = link.identity().await?;
        let began = Instant::now();
        for attempt in 0..ATTEMPTS {
            // A node that is so slow that each decision comes to it too late for its clock.
            if attempt > 0 && began.elapsed() > WITHIN {
                break;
            }
            let now = self.now();
            let Decided { read, writes, replies } = self.decide(group, now)?;
            let arguments = wire::write(&identity, now, &read, &writes);
            let said = link.call_as(&identity, "write", &arguments).await?;
            match wire::written(said, &read)? {
                Written::Done => {
                    self.known.settle(read.values.into_iter().chain(writes));
                    return Ok(Answer { by: identity.number, what: replies });
                }
                Written::Changed(corrections) => self.correct(corrections),
                Written::Clock(theirs) => self.ahead = difference(theirs, (self.clock)()),
            }
        }
        // Each attempt was refused whole.
        Err(ReplicaError::Busy)
    }

    fn now(&self) -> Millis {
        (self.clock)().saturating_add_signed(self.ahead)
    }

    fn decide(&self, group: &[Request], now: Millis) -> Result<Decided, ReplicaError> {
        let mut decision = Decision::new(&self.known, self.link.removal);
        let mut replies = Vec::with_capacity(group.len());
        for request in group {
            let batches = request.batches.iter();
            let applied: Result<_, ViewError> =
                batches.map(|batch| apply::apply(&mut decision, batch, now)).collect();
            replies.push(applied.map_err(|error| unavailable(error.to_string()))?);
        }
        let (read, writes) = decision.into_parts();
        Ok(Decided { read, writes, replies })
    }

    fn correct(&mut self, corrections: Vec<Correction>) {
        for correction in corrections {
            match correction {
                Correction::Value(key, value) => self.known.correct_value(key, value),
                Correction::Range(scan, rows) => self.known.correct_range(scan, rows),
            }
        }
    }
}

fn difference(theirs: Millis, ours: Millis) -> i64 {
    let far = |millis: Millis| i64::try_from(millis).unwrap_or(i64::MAX);
    far(theirs).saturating_sub(far(ours))
}

/// What waits already, beside the first.
fn gather(first: Request, requests: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let units =
        |request: &Request| request.batches.iter().map(|batch| batch.0.len()).sum::<usize>();
    let bytes = |request: &Request| request.batches.iter().map(Batch::size).sum::<usize>();
    let mut have = (units(&first), bytes(&first));
    let mut group = vec![first];
    while have.0 < UNITS
        && have.1 < BYTES
        && let Ok(request) = requests.try_recv()
    {
        have = (have.0 + units(&request), have.1 + bytes(&request));
        group.push(request);
    }
    group
}
