//! How long to wait before a child that died is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// A child that lived this long starts from the shortest wait again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Doubles from 0.2 s to 10 s while a child keeps dying young.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The wait after a life of this length.
    pub(super) fn after(&mut self, life: Duration) -> Duration {
        if life >= HEALTHY {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (2 * wait).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_shrink_after_a_long_life() {
        let mut backoff = Backoff::default();
        let young = Duration::from_secs(1);
        let waits: Vec<_> = (0..8).map(|_| backoff.after(young).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.after(HEALTHY), FIRST);
        assert_eq!(backoff.after(young), 2 * FIRST);
    }
}
