//! What will happen, in its order: by time, and at the same time in the order in which it was said.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use crate::{
    clock::{S, Time},
    network::Node,
    world::World,
};

/// Something that happens.
pub(crate) type Happening = Box<dyn FnOnce(&mut World)>;

/// What will happen.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    /// What happens in exactly so many seconds: most of it are deadlines of calls, and it is in order as it
    /// comes.
    lanes: [VecDeque<Entry>; LANES],
    now: Time,
    next: u64,
}

/// Deadlines of calls are up to 5 s away.
const LANES: usize = 6;

struct Entry {
    at: Time,
    number: u64,
    to: Option<(Node, u64)>,
    what: Happening,
}

/// What happens next: when, to which node in which of its lives, if to one, and what.
pub(crate) type Next = (Time, Option<(Node, u64)>, Happening);

impl Queue {
    pub(crate) fn push(&mut self, at: Time, to: Option<(Node, u64)>, what: Happening) {
        self.next += 1;
        let entry = Entry { at, number: self.next, to, what };
        let wait = at.saturating_sub(self.now);
        match self.lanes.get_mut((wait / S) as usize) {
            Some(lane) if wait > 0 && wait.is_multiple_of(S) => lane.push_back(entry),
            _ => self.heap.push(Reverse(entry)),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Next> {
        let first = |lane: &VecDeque<Entry>| lane.front().map(|entry| (entry.at, entry.number));
        let lanes = self.lanes.iter().enumerate();
        let due = lanes.filter_map(|(lane, all)| Some((first(all)?, lane))).min();
        let heaped = self.heap.peek().map(|Reverse(entry)| (entry.at, entry.number));
        let lane = due.filter(|(due, _)| heaped.is_none_or(|heaped| *due < heaped));
        let Entry { at, to, what, .. } = match lane {
            Some((_, lane)) => self.lanes[lane].pop_front()?,
            None => self.heap.pop()?.0,
        };
        self.now = at;
        Some((at, to, what))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
