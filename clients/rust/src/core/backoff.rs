//! When to dial again: full jitter over an exponential, so that clients which lost one gateway at
//! the same moment do not meet again at the next.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Bounds of the wait before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait is between zero and this; each further failure doubles it. 100 ms by default.
    pub base: Duration,
    /// The wait never has an upper bound above this. 30 s by default.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(100), cap: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The longest wait after `failures` failures in a row.
    pub fn ceiling(&self, failures: u32) -> Duration {
        self.base.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.cap)
    }
}

/// Where the waits come from. Seeded by the shell, so that a test can repeat a run.
#[derive(Debug)]
pub(super) struct Jitter(StdRng);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// From zero to `ceiling`, each as likely as the other.
    pub(super) fn up_to(&mut self, ceiling: Duration) -> Duration {
        let millis = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.0.random_range(0..=millis))
    }

    /// What the other side asked for, and a jitter on top: it asked the others for the same.
    pub(super) fn after(&mut self, asked: Option<Duration>, ceiling: Duration) -> Duration {
        asked.unwrap_or_default() + self.up_to(ceiling)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_is_within_its_ceiling(seed: u64, failures in 0u32..100) {
            let ceiling = Backoff::default().ceiling(failures);
            prop_assert!(ceiling <= Duration::from_secs(30));
            prop_assert!(Jitter::new(seed).up_to(ceiling) <= ceiling);
        }
    }

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let ceilings = [0, 1, 2, 8, 9, 40].map(|n| Backoff::default().ceiling(n).as_millis());
        assert_eq!(ceilings, [100, 200, 400, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn clients_that_fail_together_spread_over_the_whole_ceiling() {
        let ceiling = Duration::from_secs(1);
        let waits: Vec<_> = (0..200).map(|seed| Jitter::new(seed).up_to(ceiling)).collect();
        assert!(waits.iter().any(|wait| *wait < ceiling / 10));
        assert!(waits.iter().any(|wait| *wait > ceiling * 9 / 10));
    }
}
