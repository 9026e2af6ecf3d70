//! The fleet-wide drain budget: a token bucket that holds one second's worth.

use chatcluster_protocol::Millis;

/// The bucket. `drain.lua` does the same in Redis, in the same whole numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// Thousandths of a token, so that a millisecond adds exactly `rate`.
    thousandths: u64,
    at: Millis,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(rate: u32, now: Millis) -> Self {
        Self { thousandths: u64::from(rate) * 1000, at: now }
    }

    /// Takes up to `want` tokens. A clock that was set back adds nothing, and counts on from there.
    pub(crate) fn take(&mut self, want: u32, rate: u32, now: Millis) -> u32 {
        let passed = now.saturating_sub(self.at).min(1000);
        self.at = now;
        let refilled = self.thousandths + passed * u64::from(rate);
        self.thousandths = refilled.min(u64::from(rate) * 1000);
        let given = u64::from(want).min(self.thousandths / 1000);
        self.thousandths -= given * 1000;
        given as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_more_than_a_second_in_advance_is_given(
            rate in 0u32..5000,
            steps in prop::collection::vec((0u32..3000, 0u64..700), 1..50),
        ) {
            let mut bucket = Bucket::full(rate, 0);
            let (mut now, mut given) = (0, 0u64);
            for (want, pause) in steps {
                now += pause;
                given += u64::from(bucket.take(want, rate, now));
                prop_assert!(given * 1000 <= u64::from(rate) * (1000 + now));
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_back_neither_fills_nor_blocks_the_bucket() {
        let mut bucket = Bucket::full(10, 1_000_000);
        assert_eq!(bucket.take(20, 10, 1_000_000), 10);
        assert_eq!(bucket.take(20, 10, 5_000), 0);
        assert_eq!(bucket.take(20, 10, 5_500), 5);
    }
}
