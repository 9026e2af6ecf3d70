//! What the answers of an island's replicas mean together. A write is done when a majority has synced
//! it; a read is good when a majority was heard, since any two majorities share a replica.
//!
//! Sans I/O: answers go in, a decision comes out. [`crate::repository::Quorum`] asks the replicas.

use std::collections::BTreeMap;

use chatcluster_protocol::planted::{Bug, planted};

use crate::{
    apply::{Effect, MarkPlaced, Stop, UnitReply},
    replica::ReplicaError,
};

/// How many of `replicas` are a majority.
pub const fn majority(replicas: usize) -> usize {
    replicas / 2 + 1
}

/// The answers to one call, batch by batch and unit by unit.
pub type Replies = Vec<Vec<UnitReply>>;

/// A write on its way.
#[derive(Debug)]
pub struct Write {
    replicas: usize,
    replies: Vec<Replies>,
    errors: Vec<ReplicaError>,
}

impl Write {
    /// A write to this many replicas.
    pub const fn new(replicas: usize) -> Self {
        Self { replicas, replies: Vec::new(), errors: Vec::new() }
    }

    /// An answer came in. The decision, as soon as no further answer can change it.
    pub fn on_reply(
        &mut self,
        reply: Result<Replies, ReplicaError>,
    ) -> Option<Result<Replies, ReplicaError>> {
        match reply {
            Ok(replies) => self.replies.push(replies),
            Err(error) => self.errors.push(error),
        }
        let needed = self.needed();
        if self.errors.len() > self.replicas - needed {
            return self.errors.pop().map(Err);
        }
        let heard = self.replies.len() + self.errors.len();
        let enough = self.replies.len() >= needed && (heard == self.replicas || self.agreed());
        enough.then(|| Ok(self.merged()))
    }

    /// How many replicas a write takes.
    fn needed(&self) -> usize {
        if planted(Bug::OneReplicaWrites) { 1 } else { majority(self.replicas) }
    }

    /// Every unit was applied by a majority: later answers change nothing.
    fn agreed(&self) -> bool {
        let needed = self.needed();
        let applied = |batch: usize, unit: usize| {
            let done = |replies: &&Replies| replies[batch][unit].stop.is_none();
            self.replies.iter().filter(done).count()
        };
        let Some(first) = self.replies.first() else { return false };
        first
            .iter()
            .enumerate()
            .all(|(batch, units)| (0..units.len()).all(|unit| applied(batch, unit) >= needed))
    }

    fn merged(&self) -> Replies {
        let needed = self.needed();
        let Some(first) = self.replies.first() else { return Vec::new() };
        let unit = |batch: usize, unit: usize| {
            let replies: Vec<_> = self.replies.iter().map(|r| &r[batch][unit]).collect();
            merge_unit(&replies, needed)
        };
        first
            .iter()
            .enumerate()
            .map(|(batch, units)| (0..units.len()).map(|at| unit(batch, at)).collect())
            .collect()
    }
}

fn merge_unit(replies: &[&UnitReply], needed: usize) -> UnitReply {
    let done: Vec<_> = replies.iter().filter(|reply| reply.stop.is_none()).collect();
    if let [first, others @ ..] = &done[..]
        && done.len() >= needed
    {
        let effects = first.effects.iter().enumerate().map(|(part, effect)| {
            let others = others.iter().filter_map(|reply| reply.effects.get(part));
            merge_effects(effect, others, needed)
        });
        return UnitReply { effects: effects.collect(), stop: None };
    }
    let stop = replies.iter().filter_map(|reply| reply.stop.as_ref()).max_by_key(|stop| rank(stop));
    // The effects of those that stopped: each replica got as far as it got, so only the shortest
    // way is true of all.
    let shortest = replies.iter().filter(|reply| reply.stop.is_some());
    let effects = shortest.map(|reply| &reply.effects).min_by_key(|effects| effects.len()).cloned();
    UnitReply { effects: effects.unwrap_or_default(), stop: stop.cloned() }
}

/// Which of several stops counts. What tells that the message is stored comes first, then what tells
/// that it never will be under this id; the ids break ties, so that the highest counts.
fn rank(stop: &Stop) -> (u8, Option<chatcluster_protocol::id::MessageId>) {
    match stop {
        Stop::Complete(id, _) => (9, Some(*id)),
        Stop::Pending(id) => (8, Some(*id)),
        Stop::Conflict => (7, None),
        Stop::OutOfOrder(highest) => (6, Some(*highest)),
        Stop::InUse | Stop::Revoked(_) | Stop::Votes => (5, None),
        Stop::StaleRegistry | Stop::StaleGroup | Stop::Held => (4, None),
        Stop::TooManyDevices | Stop::UnknownDevice | Stop::Departing => (3, None),
        Stop::TooOld => (2, None),
        Stop::TooNew => (1, None),
        Stop::Failed(_) => (0, None),
    }
}

fn merge_effects<'a>(
    first: &'a Effect,
    others: impl Iterator<Item = &'a Effect>,
    needed: usize,
) -> Effect {
    let all: Vec<&Effect> = std::iter::once(first).chain(others).collect();
    match first {
        Effect::Applied | Effect::Moved if all.contains(&&Effect::Moved) => Effect::Moved,
        Effect::Applied | Effect::Moved => Effect::Applied,
        // Whether it is new to several is known before ([`crate::repository`]).
        Effect::Registered { .. } => first.clone(),
        Effect::Marked(_) => Effect::Marked(merge_marks(&all, needed)),
    }
}

/// A mark reaches only as far as a majority says: a replica that missed an entry would tell too much.
fn merge_marks(effects: &[&Effect], needed: usize) -> Vec<MarkPlaced> {
    let mut by_place: BTreeMap<_, Vec<&MarkPlaced>> = BTreeMap::new();
    for mark in effects.iter().flat_map(|effect| match effect {
        Effect::Marked(marks) => &marks[..],
        _ => &[],
    }) {
        by_place.entry((&mark.to, mark.conversation, mark.kind)).or_default().push(mark);
    }
    let agreed = by_place.into_values().filter_map(|mut marks| {
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.up_to));
        marks.get(needed - 1).map(|mark| (*mark).clone())
    });
    agreed.collect()
}

/// A read on its way.
#[derive(Debug)]
pub struct Read<T> {
    replicas: usize,
    answers: Vec<T>,
    errors: usize,
}

impl<T> Read<T> {
    /// A read from this many replicas.
    pub const fn new(replicas: usize) -> Self {
        Self { replicas, answers: Vec::new(), errors: 0 }
    }

    /// An answer came in. What a majority answered, as soon as there is one.
    pub fn on_reply(
        &mut self,
        reply: Result<T, ReplicaError>,
    ) -> Option<Result<Vec<T>, ReplicaError>> {
        let needed = if planted(Bug::OneReplicaReads) { 1 } else { majority(self.replicas) };
        match reply {
            Ok(answer) => self.answers.push(answer),
            Err(error) => {
                self.errors += 1;
                return (self.errors > self.replicas - needed).then_some(Err(error));
            }
        }
        (self.answers.len() >= needed).then(|| Ok(std::mem::take(&mut self.answers)))
    }
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::{ConversationId, MessageId, UserId};

    use super::*;
    use crate::record::MarkKind;

    fn done() -> UnitReply {
        UnitReply { effects: vec![Effect::Applied], stop: None }
    }

    fn stopped(stop: Stop) -> UnitReply {
        UnitReply { effects: vec![], stop: Some(stop) }
    }

    fn answer(unit: UnitReply) -> Result<Replies, ReplicaError> {
        Ok(vec![vec![unit]])
    }

    fn away() -> Result<Replies, ReplicaError> {
        Err(ReplicaError::Unavailable("gone".into()))
    }

    fn outcome(
        answers: Vec<Result<Replies, ReplicaError>>,
    ) -> Option<Result<Replies, ReplicaError>> {
        let mut write = Write::new(3);
        answers.into_iter().find_map(|answer| write.on_reply(answer))
    }

    #[test]
    fn one_replica_alone_decides() {
        assert_eq!(Write::new(1).on_reply(answer(done())), Some(answer(done())));
        assert_eq!(Write::new(1).on_reply(away()), Some(away()));
    }

    #[test]
    fn two_of_three_acknowledge_and_one_does_not() {
        assert_eq!(outcome(vec![answer(done())]), None);
        assert_eq!(outcome(vec![answer(done()), away()]), None);
        assert_eq!(outcome(vec![answer(done()), away(), answer(done())]), Some(answer(done())));
        assert_eq!(outcome(vec![away(), away()]), Some(away()));
    }

    #[test]
    fn a_refusal_of_one_is_outvoted_but_one_acceptance_is_no_majority() {
        let low = MessageId::floor(1);
        let refusal = || answer(stopped(Stop::OutOfOrder(low)));
        assert_eq!(outcome(vec![refusal(), answer(done())]), None);
        assert_eq!(outcome(vec![refusal(), answer(done()), answer(done())]), Some(answer(done())));
        let Some(Ok(replies)) = outcome(vec![answer(done()), refusal(), away()]) else { panic!() };
        assert_eq!(replies[0][0].stop, Some(Stop::OutOfOrder(low)));
    }

    #[test]
    fn the_highest_id_of_the_refusals_counts() {
        let [low, high] = [1, 2].map(MessageId::floor);
        let answers = [high, low, low].map(|id| answer(stopped(Stop::OutOfOrder(id))));
        let Some(Ok(replies)) = outcome(answers.to_vec()) else { panic!() };
        assert_eq!(replies[0][0].stop, Some(Stop::OutOfOrder(high)));
        let complete = Stop::Complete(low, vec![]);
        let answers = [Stop::OutOfOrder(high), complete.clone(), Stop::Pending(high)];
        let Some(Ok(replies)) = outcome(answers.map(|stop| answer(stopped(stop))).to_vec()) else {
            panic!()
        };
        assert_eq!(replies[0][0].stop, Some(complete));
    }

    #[test]
    fn a_mark_reaches_as_far_as_a_majority_says() {
        let user = |name| UserId::new(name).unwrap();
        let conversation = ConversationId::between(&user("alice"), &user("bob"));
        let mark = |up_to| MarkPlaced {
            receipt: MessageId::floor(9),
            to: user("alice"),
            devices: vec![],
            conversation,
            peer: user("bob"),
            kind: MarkKind::Delivered,
            up_to: MessageId::floor(up_to),
        };
        let marked = |marks| UnitReply { effects: vec![Effect::Marked(marks)], stop: None };
        let merged =
            |replies: [UnitReply; 2]| merge_unit(&replies.iter().collect::<Vec<_>>(), 2).effects;
        let lagging = merged([marked(vec![mark(5)]), marked(vec![mark(3)])]);
        assert_eq!(lagging, vec![Effect::Marked(vec![mark(3)])]);
        assert_eq!(merged([marked(vec![mark(5)]), marked(vec![])]), vec![Effect::Marked(vec![])]);
    }

    #[test]
    fn a_read_hears_a_majority() {
        let mut read = Read::new(3);
        assert_eq!(read.on_reply(Ok(1)), None);
        assert_eq!(read.on_reply(Err(ReplicaError::Busy)), None);
        assert_eq!(read.on_reply(Ok(2)), Some(Ok(vec![1, 2])));
        let mut read = Read::<u8>::new(3);
        assert_eq!(read.on_reply(Err(ReplicaError::Busy)), None);
        assert_eq!(read.on_reply(Err(ReplicaError::Busy)), Some(Err(ReplicaError::Busy)));
    }
}
