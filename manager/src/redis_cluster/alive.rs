//! Which leases are known to be alive, for a moment: reading the routes of many users should not ask
//! for the same few gateways again and again. That a lease is dead is never remembered.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::Incarnation;

/// Memory of living leases.
pub(super) struct Alive {
    longest: Duration,
    until: HashMap<Incarnation, Instant>,
}

impl Alive {
    /// Remembers for at most `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, until: HashMap::new() }
    }

    pub(super) fn contains(&self, incarnation: Incarnation, now: Instant) -> bool {
        self.until.get(&incarnation).is_some_and(|until| now < *until)
    }

    /// A lease had `left` to live when it was asked for at `asked`.
    pub(super) fn insert(&mut self, incarnation: Incarnation, left: Duration, asked: Instant) {
        self.until.retain(|_, until| asked < *until);
        self.until.insert(incarnation, asked + left.min(self.longest));
    }

    pub(super) fn forget(&mut self, incarnation: Incarnation) {
        self.until.remove(&incarnation);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_lease_is_believed_for_a_moment_and_never_beyond_its_end() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut alive = Alive::new(second);
        let [long, short] = [1, 2].map(|n| Incarnation(Uuid::from_u128(n)));
        alive.insert(long, 15 * second, now);
        alive.insert(short, second / 2, now);
        assert!(alive.contains(short, now) && !alive.contains(short, now + second / 2));
        assert!(alive.contains(long, now + second / 2) && !alive.contains(long, now + second));
        alive.forget(long);
        assert!(!alive.contains(long, now));
    }
}
