//! What is in each inbox, as replicas have it. It is kept with each change, since it is asked for again and
//! again: no check has to look through all that ever left.

use std::collections::BTreeMap;

use chatcluster_protocol::id::MessageId;

use crate::clock::Time;

/// The inboxes of all devices, by their number.
#[derive(Debug, Default)]
pub(super) struct Inboxes {
    replicas: usize,
    inboxes: BTreeMap<usize, Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    /// What no replica has removed, and which of them have it.
    waiting: BTreeMap<MessageId, Replicas>,
    removed: BTreeMap<MessageId, Removed>,
}

/// Which replicas have removed an entry, and since when most have.
#[derive(Debug, Default)]
struct Removed {
    by: Replicas,
    by_most: Option<Time>,
}

/// Some of the replicas, a bit for each.
#[derive(Debug, Default, Clone, Copy)]
struct Replicas(u8);

impl Replicas {
    fn add(&mut self, replica: usize) {
        self.0 |= 1 << replica;
    }

    fn take(&mut self, replica: usize) {
        self.0 &= !(1 << replica);
    }

    fn has(self, replica: usize) -> bool {
        self.0 & 1 << replica != 0
    }

    fn are_most_of(self, all: usize) -> bool {
        self.0.count_ones() as usize > all / 2
    }
}

impl Inboxes {
    pub(super) fn new(replicas: usize) -> Self {
        Self { replicas, inboxes: BTreeMap::new() }
    }

    /// A replica puts an entry into an inbox. Says whether it has removed it before.
    pub(super) fn added(&mut self, device: usize, replica: usize, id: MessageId) -> bool {
        let inbox = self.inboxes.entry(device).or_default();
        match inbox.removed.get(&id) {
            Some(removed) => removed.by.has(replica),
            None => {
                inbox.waiting.entry(id).or_default().add(replica);
                false
            }
        }
    }

    /// A replica removes an entry, whether or not it had it.
    pub(super) fn removed(&mut self, now: Time, device: usize, replica: usize, id: MessageId) {
        let inbox = self.inboxes.entry(device).or_default();
        inbox.waiting.remove(&id);
        let removed = inbox.removed.entry(id).or_default();
        removed.by.add(replica);
        if removed.by.are_most_of(self.replicas) {
            removed.by_most.get_or_insert(now);
        }
    }

    /// What a replica had is gone.
    pub(super) fn emptied(&mut self, replica: usize) {
        for inbox in self.inboxes.values_mut() {
            inbox.waiting.values_mut().for_each(|by| by.take(replica));
            inbox.removed.values_mut().for_each(|removed| removed.by.take(replica));
        }
    }

    /// An entry is taken from a replica that nobody believes.
    pub(super) fn erased(&mut self, device: usize, replica: usize, id: MessageId) {
        let waiting = self.inboxes.get_mut(&device).and_then(|inbox| inbox.waiting.get_mut(&id));
        waiting.into_iter().for_each(|by| by.take(replica));
    }

    /// What most replicas have and none has removed.
    pub(super) fn waiting(&self, device: usize) -> impl Iterator<Item = MessageId> {
        let inbox = self.inboxes.get(&device).into_iter();
        let all = inbox.flat_map(|inbox| &inbox.waiting);
        all.filter(|(_, by)| by.are_most_of(self.replicas)).map(|(id, _)| *id)
    }

    /// Whether most replicas had removed an entry by then.
    pub(super) fn had_left(&self, device: usize, id: MessageId, by: Time) -> bool {
        let removed = self.inboxes.get(&device).and_then(|inbox| inbox.removed.get(&id));
        removed.and_then(|removed| removed.by_most).is_some_and(|at| at < by)
    }
}
