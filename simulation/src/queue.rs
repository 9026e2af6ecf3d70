//! What will happen, in its order: by time, and at the same time in the order in which it was said.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{clock::Time, world::World};

/// Something that happens.
pub(crate) type Happening = Box<dyn FnOnce(&mut World)>;

/// What will happen.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    next: u64,
}

struct Entry {
    at: Time,
    number: u64,
    what: Happening,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Time, what: Happening) {
        self.next += 1;
        self.heap.push(Reverse(Entry { at, number: self.next, what }));
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
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
