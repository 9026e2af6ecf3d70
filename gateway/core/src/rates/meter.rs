//! How often something may happen: the generic cell rate algorithm (ITU-T I.371), for each key by itself.
//!
//! Of a key one time is kept, up to which its rate is used up. It is forgotten once that has passed, so there
//! are never more keys than were let through within the time that a burst takes to grow again.

use std::{collections::BTreeMap, time::Duration};

/// What whoever is refused is told to wait at the least, so that they come back for more than one. A rate is
/// one a second at least, so nobody has to wait for longer.
pub const RETRY: Duration = Duration::from_secs(1);

/// Fewer keys than this are not worth looking for those that can be forgotten.
const SWEEP: usize = 1024;

/// So many a second, and so many at once by whoever has been quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// 0 is no limit.
    pub per_second: u32,
    /// 0 counts as 1.
    pub burst: u32,
}

impl Rate {
    /// Nothing is limited.
    pub const NONE: Self = Self { per_second: 0, burst: 0 };

    /// Which part of a second one takes.
    fn one(self) -> Option<Duration> {
        (self.per_second > 0).then(|| Duration::from_secs(1) / self.per_second)
    }

    /// How far ahead of the clock the rate may be used up when there is still room for one.
    fn ahead(self, one: Duration) -> Duration {
        one * self.burst.saturating_sub(1)
    }
}

/// Which keys have used up what of their rate.
#[derive(Debug)]
pub(super) struct Meter<K> {
    rate: Rate,
    used: BTreeMap<K, Duration>,
    /// As many keys lead to a look for those to forget.
    sweep: usize,
}

impl<K: Ord + Clone> Meter<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, used: BTreeMap::new(), sweep: SWEEP }
    }

    /// May it happen now? Otherwise, how long to wait. Asking uses up nothing.
    pub(super) fn wait(&self, key: &K, now: Duration) -> Option<Duration> {
        let one = self.rate.one()?;
        let ahead = self.rate.ahead(one);
        let used = *self.used.get(key)?;
        let room_at = used.saturating_sub(ahead);
        (room_at > now).then(|| (room_at - now).max(RETRY.min(ahead)))
    }

    /// It happens, or it has to wait so long.
    pub(super) fn try_take(&mut self, key: &K, now: Duration) -> Result<(), Duration> {
        self.wait(key, now).map_or(Ok(()), Err)?;
        self.take(key, now);
        Ok(())
    }

    /// It happens.
    pub(super) fn take(&mut self, key: &K, now: Duration) {
        let Some(one) = self.rate.one() else { return };
        if let Some(used) = self.used.get_mut(key) {
            *used = now.max(*used) + one;
            return;
        }
        if self.used.len() >= self.sweep {
            self.used.retain(|_, used| *used > now);
            self.sweep = SWEEP.max(2 * self.used.len());
        }
        self.used.insert(key.clone(), now + one);
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.used.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Whether it happens.
    fn tries(meter: &mut Meter<u32>, key: u32, now: Duration) -> bool {
        meter.try_take(&key, now).is_ok()
    }

    proptest! {
        /// In any stretch of time there are never more than a burst and what the rate brings, and whoever
        /// comes when told to is let through.
        #[test]
        fn no_stretch_has_more_than_burst_and_rate(
            per_second in 1u32..50,
            burst in 0u32..30,
            gaps in prop::collection::vec(prop_oneof![Just(0u64), 0u64..50, 0u64..2_000], 1..300),
        ) {
            let mut meter = Meter::new(Rate { per_second, burst });
            let (mut now, mut taken) = (Duration::from_secs(7), Vec::new());
            for gap in gaps {
                now += MS * gap as u32;
                match meter.wait(&1, now) {
                    None => {
                        meter.take(&1, now);
                        taken.push(now);
                    }
                    Some(wait) => {
                        prop_assert!(wait <= RETRY, "{wait:?}");
                        prop_assert_eq!(meter.wait(&1, now + wait), None);
                    }
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let most = f64::from(burst.max(1)) + (*to - *from).as_secs_f64() * f64::from(per_second);
                    let count = last - first + 1;
                    prop_assert!(count as f64 <= most + 1e-3, "{count} within {:?}", *to - *from);
                }
            }
        }

        /// Whoever keeps to the rate never notices it.
        #[test]
        fn within_the_rate_nothing_is_refused(
            per_second in 1u32..50,
            burst in 1u32..30,
            late in prop::collection::vec(0u64..100, 1..200),
        ) {
            let mut meter = Meter::new(Rate { per_second, burst });
            let mut now = Duration::ZERO;
            for late in late {
                prop_assert!(tries(&mut meter, 1, now));
                now += Duration::from_secs(1) / per_second + MS * late as u32;
            }
        }
    }

    #[test]
    fn a_burst_goes_through_at_once_and_grows_again() {
        let mut meter = Meter::new(Rate { per_second: 10, burst: 20 });
        let passes = |meter: &mut Meter<u32>, seconds| {
            (0..50).filter(|_| tries(meter, 1, Duration::from_secs(seconds))).count()
        };
        assert_eq!(passes(&mut meter, 5), 20);
        assert_eq!(passes(&mut meter, 6), 10);
        assert_eq!(passes(&mut meter, 100), 20);
        assert!(tries(&mut meter, 2, Duration::from_secs(100)), "others have their own");
    }

    #[test]
    fn whoever_is_refused_comes_back_for_more_than_one() {
        let mut meter = Meter::new(Rate { per_second: 10, burst: 20 });
        while tries(&mut meter, 1, Duration::ZERO) {}
        let wait = meter.wait(&1, Duration::ZERO).unwrap();
        assert_eq!(wait, RETRY);
        assert_eq!((0..50).filter(|_| tries(&mut meter, 1, wait)).count(), 10);

        let mut meter = Meter::new(Rate { per_second: 10, burst: 1 });
        assert!(tries(&mut meter, 1, Duration::ZERO));
        assert_eq!(meter.wait(&1, Duration::ZERO), Some(100 * MS), "later there is no more room");
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let mut meter = Meter::new(Rate::NONE);
        assert!((0..1000).all(|_| tries(&mut meter, 1, Duration::ZERO)));
        assert_eq!(meter.keys(), 0);
    }

    #[test]
    fn keys_are_forgotten_once_their_burst_has_grown_again() {
        let mut meter = Meter::new(Rate { per_second: 1, burst: 10 });
        for key in 0..100_000 {
            // A thousand new ones a second, each of which matters for a second.
            assert!(tries(&mut meter, key, MS * key));
            assert!(meter.keys() <= 2 * SWEEP, "{}", meter.keys());
        }
        let used_up: Vec<_> = (0..2_000).map(|n| 1_000_000 + n).collect();
        let now = Duration::from_secs(1_000);
        for key in &used_up {
            while tries(&mut meter, *key, now) {}
        }
        assert!(used_up.iter().all(|key| meter.wait(key, now).is_some()), "those that matter stay");
    }
}
