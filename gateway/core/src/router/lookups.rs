//! Deliveries that wait for a route to be read at the manager, batched by user.
//!
//! A read serves only what was stored before it began (rule 1), so what comes while a user is being
//! looked up waits for the next one.

use std::{collections::BTreeMap, time::Duration};

use chatcluster_protocol::{
    id::UserId,
    planted::{Bug, planted},
};

use super::Delivery;

/// Most deliveries that wait; one more is left to the probes. They share the text of their pushes.
const HELD: usize = 16_384;

/// Most users in one lookup, and most lookups at the same time.
const BATCH: usize = 256;
const FLYING: usize = 4;

/// How long a delivery waits after each failed lookup. After the last it is left to the probes, which run every 15 s
/// for sessions that the manager does not know: whoever renews a lease every 5 s has missed it by then. A manager
/// that was away for less than that is asked once more, or a message would wait for the backstop of 5 minutes.
const RETRY: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10)];

/// After so many failed lookups a session of this gateway is taken instead.
const RETRY_LOCAL: usize = 2;

/// Bounded by [`HELD`].
#[derive(Debug, Default)]
pub(super) struct Lookups {
    waiting: BTreeMap<UserId, Vec<Delivery>>,
    flying: BTreeMap<u64, BTreeMap<UserId, Vec<Delivery>>>,
    later: BTreeMap<Duration, Vec<Delivery>>,
    held: usize,
    next: u64,
}

impl Lookups {
    /// Takes a delivery. `false` when too many wait: it is not taken.
    pub(super) fn add(&mut self, delivery: Delivery) -> bool {
        let room = self.held < HELD;
        if room {
            self.held += 1;
            self.wait(delivery);
        }
        room
    }

    /// Begins the next lookup, if there is one to begin.
    pub(super) fn begin(&mut self) -> Option<(u64, Vec<UserId>)> {
        if self.waiting.is_empty() || self.flying.len() >= FLYING {
            return None;
        }
        let batch: BTreeMap<_, _> =
            std::iter::from_fn(|| self.waiting.pop_first()).take(BATCH).collect();
        let users = batch.keys().cloned().collect();
        let lookup = self.number();
        self.flying.insert(lookup, batch);
        Some((lookup, users))
    }

    /// A number for a lookup, also for one that is not of these.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A lookup is answered: its users in the order asked, with what waits for each.
    pub(super) fn end(&mut self, lookup: u64) -> BTreeMap<UserId, Vec<Delivery>> {
        let batch = self.flying.remove(&lookup).unwrap_or_default();
        self.held -= batch.values().map(Vec::len).sum::<usize>();
        batch
    }

    /// The lookup of a delivery failed: it waits for another, or is given back after the last.
    pub(super) fn failed(
        &mut self,
        now: Duration,
        mut delivery: Delivery,
        is_here: bool,
    ) -> Option<Delivery> {
        let waits = if is_here { &RETRY[..RETRY_LOCAL] } else { &RETRY[..] };
        let Some(wait) = waits.get(usize::from(delivery.failures)) else { return Some(delivery) };
        delivery.failures += 1;
        self.held += 1;
        self.later.entry(now + *wait).or_default().push(delivery);
        None
    }

    /// Those whose time has come wait for the next lookup.
    pub(super) fn tick(&mut self, now: Duration) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            entry.remove().into_iter().for_each(|delivery| self.wait(delivery));
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.later.keys().next().copied()
    }

    /// How many deliveries wait.
    pub(super) fn len(&self) -> usize {
        self.held
    }

    fn wait(&mut self, delivery: Delivery) {
        let user = &delivery.device.user;
        if planted(Bug::LookupJoined)
            && let Some(joined) = self.flying.values_mut().find_map(|batch| batch.get_mut(user))
        {
            return joined.push(delivery);
        }
        self.waiting.entry(delivery.device.user.clone()).or_default().push(delivery);
    }
}
