//! How long to wait before the next attempt.

use std::time::Duration;

/// Doubles with each failure up to a ceiling. Spreading attempts is left to those who share a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// Counts a failure and says how long to wait.
    pub(crate) fn next(&mut self) -> Duration {
        // 2^16 times anything is over any ceiling here.
        let wait = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        wait.min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_ceiling() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<_> = (0..40).map(|_| backoff.next().as_secs()).collect();
        assert_eq!(waits[..5], [1, 2, 4, 5, 5]);
        assert_eq!(waits[39], 5);
    }
}
