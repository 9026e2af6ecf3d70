//! A hybrid logical clock: wall time where it moves forward, a counter where it does not.

use super::MessageId;
use crate::{
    Millis,
    planted::{Bug, planted},
};

const COUNTER_BITS: u32 = 12;
const COUNTER_MAX: u16 = (1 << COUNTER_BITS) - 1;
const MILLIS_MAX: Millis = (1 << 48) - 1;

/// A point of the hybrid clock: milliseconds (48 bits), then a counter (12 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    millis: Millis,
    counter: u16,
}

impl Stamp {
    /// A stamp; what does not fit is cut to the largest that does.
    pub const fn new(millis: Millis, counter: u16) -> Self {
        let millis = if millis > MILLIS_MAX { MILLIS_MAX } else { millis };
        let counter = if counter > COUNTER_MAX { COUNTER_MAX } else { counter };
        Self { millis, counter }
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> Millis {
        self.millis
    }

    /// The counter within the millisecond.
    pub const fn counter(self) -> u16 {
        self.counter
    }

    /// The next stamp: a full counter borrows from the future by a millisecond.
    const fn next(self) -> Self {
        if self.counter == COUNTER_MAX {
            Self::new(self.millis + 1, 0)
        } else {
            Self { millis: self.millis, counter: self.counter + 1 }
        }
    }
}

/// Gives stamps that only go up, also when the wall clock is set back, and that are above every id
/// that it has been shown.
#[derive(Debug, Clone, Default)]
pub struct HybridClock {
    last: Stamp,
}

impl HybridClock {
    /// Never goes behind `id` again. The caller checks first that a client's id is not from the
    /// future ([`crate::limits::APPEND_WINDOW`]), or one forged id would hold the clock there.
    pub fn observe(&mut self, id: MessageId) {
        self.last = self.last.max(id.stamp());
    }

    /// A stamp above all before it, and at or above `now`.
    pub fn next(&mut self, now: Millis) -> Stamp {
        if planted(Bug::ClockGoesBack) {
            return Stamp::new(now, 0);
        }
        self.last = self.last.next().max(Stamp::new(now, 0));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Identity;

    proptest! {
        #[test]
        fn stamps_only_go_up_whatever_the_wall_clock_says(times in prop::collection::vec(0u64..50, 1..200)) {
            let mut clock = HybridClock::default();
            let mut before = Stamp::default();
            for now in times {
                let stamp = clock.next(now);
                prop_assert!(stamp > before && stamp.millis() >= now);
                before = stamp;
            }
        }
    }

    #[test]
    fn a_full_counter_goes_on_in_the_next_millisecond() {
        let mut clock = HybridClock { last: Stamp::new(7, COUNTER_MAX) };
        assert_eq!(clock.next(7), Stamp::new(8, 0));
    }

    #[test]
    fn the_clock_is_above_what_it_was_shown() {
        let mut clock = HybridClock::default();
        let seen = MessageId::new(Stamp::new(1000, 5), Identity::from_bits(u64::MAX));
        clock.observe(seen);
        assert!(MessageId::new(clock.next(10), Identity::from_bits(0)) > seen);
    }
}
