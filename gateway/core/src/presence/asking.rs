//! One kind of question: about whom it is to be asked, how often, and the calls under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Calls of a kind under way. When there are more, the service is slow, and asking more would not help.
const FLYING: usize = 16;

/// Whoever is named here is asked about once, however often that is wanted.
#[derive(Debug)]
pub(super) struct Asking<K> {
    /// How many may be asked about in a second. A half of it is for turns, and all that they leave is for those
    /// that are asked about for the first time.
    a_second: usize,
    in_a_call: usize,
    /// How long to wait after there was no answer.
    retry: Duration,
    stages: BTreeMap<K, Stage>,
    /// In the order in which they are asked about.
    queue: BTreeMap<i64, K>,
    failed: BTreeSet<(Duration, K)>,
    calls: BTreeMap<u64, Vec<K>>,
    called: u64,
    spent: usize,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Waits for its call, at this place of the queue.
    Queued(i64),
    Flying,
    /// There was no answer; it is asked about again then.
    Failed(Duration),
}

impl<K: Ord + Clone> Asking<K> {
    pub(super) fn new(a_second: usize, in_a_call: usize, retry: Duration) -> Self {
        Self {
            a_second,
            in_a_call,
            retry,
            stages: BTreeMap::new(),
            queue: BTreeMap::new(),
            failed: BTreeSet::new(),
            calls: BTreeMap::new(),
            called: 0,
            spent: 0,
        }
    }

    /// How many of so many have their turn in a second, if each is to have one within `period`.
    pub(super) fn share(&self, of: usize, period: Duration) -> usize {
        of.div_ceil(period.as_secs() as usize).min(self.a_second / 2)
    }

    /// To be asked about as soon as there is room.
    pub(super) fn want(&mut self, key: K) {
        let last = self.queue.last_key_value().map_or(0, |(place, _)| place + 1);
        self.queue_at(last, key);
    }

    /// To be asked about before all that are wanted: it has its turn.
    pub(super) fn want_first(&mut self, key: K) {
        let first = self.queue.first_key_value().map_or(0, |(place, _)| place - 1);
        self.queue_at(first, key);
    }

    fn queue_at(&mut self, place: i64, key: K) {
        if !self.stages.contains_key(&key) {
            self.stages.insert(key.clone(), Stage::Queued(place));
            self.queue.insert(place, key);
        }
    }

    /// Nobody wants to know it any more. A call that is under way is not taken back.
    pub(super) fn forget(&mut self, key: &K) {
        match self.stages.get(key).copied() {
            None | Some(Stage::Flying) => return,
            Some(Stage::Queued(place)) => drop(self.queue.remove(&place)),
            Some(Stage::Failed(until)) => drop(self.failed.remove(&(until, key.clone()))),
        }
        self.stages.remove(key);
    }

    /// What is spent is counted anew, and those that had no answer are wanted again when their time has come.
    pub(super) fn begin_second(&mut self, now: Duration) {
        self.spent = 0;
        while self.failed.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.failed.pop_first() else { break };
            self.stages.remove(&key);
            self.want(key);
        }
    }

    /// The next call to make, as far as this second allows.
    pub(super) fn call(&mut self) -> Option<(u64, Vec<K>)> {
        let room = self.a_second.saturating_sub(self.spent).min(self.in_a_call);
        if self.calls.len() >= FLYING || room == 0 || self.queue.is_empty() {
            return None;
        }
        let taken = std::iter::from_fn(|| self.queue.pop_first());
        let keys: Vec<K> = taken.take(room).map(|(_, key)| key).collect();
        for key in &keys {
            self.stages.insert(key.clone(), Stage::Flying);
        }
        self.spent += keys.len();
        self.called += 1;
        self.calls.insert(self.called, keys.clone());
        Some((self.called, keys))
    }

    /// A call has ended: about whom it was.
    pub(super) fn ended(&mut self, call: u64, answered: bool, now: Duration) -> Vec<K> {
        let keys = self.calls.remove(&call).unwrap_or_default();
        for key in &keys {
            if answered {
                self.stages.remove(key);
            } else {
                let until = now + self.retry;
                self.stages.insert(key.clone(), Stage::Failed(until));
                self.failed.insert((until, key.clone()));
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Duration = Duration::from_secs(10);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_is_asked_about_once_in_order_and_turns_come_first() {
        let mut asking = Asking::new(100, 3, RETRY);
        for key in [1, 2, 3, 1, 2, 4] {
            asking.want(key);
        }
        asking.want_first(9);
        asking.want_first(2);
        asking.forget(&3);
        assert_eq!(asking.call(), Some((1, vec![9, 1, 2])));
        asking.want(9);
        asking.want(3);
        assert_eq!(asking.call(), Some((2, vec![4, 3])));
        assert_eq!(asking.call(), None);
        assert_eq!(asking.ended(1, true, seconds(0)), [9, 1, 2]);
        asking.want(9);
        assert_eq!(asking.call(), Some((3, vec![9])));
        assert_eq!(asking.ended(1, true, seconds(0)), [0; 0], "it has ended before");
    }

    #[test]
    fn what_has_no_answer_is_asked_again_later_unless_it_is_forgotten() {
        let mut asking = Asking::new(100, 10, RETRY);
        (1..=3).for_each(|key| asking.want(key));
        let (call, _) = asking.call().unwrap();
        asking.forget(&3);
        assert_eq!(asking.ended(call, false, seconds(1)), [1, 2, 3]);
        asking.want(1);
        asking.forget(&2);
        asking.begin_second(seconds(10));
        assert_eq!(asking.call(), None);
        asking.begin_second(seconds(11));
        assert_eq!(asking.call(), Some((2, vec![1, 3])));
    }

    #[test]
    fn a_second_has_a_bound_and_so_have_calls_under_way() {
        let mut asking = Asking::new(100, 30, RETRY);
        (0..1_000).for_each(|key| asking.want(key));
        let sizes = |asking: &mut Asking<i32>| -> Vec<usize> {
            std::iter::from_fn(|| asking.call()).map(|(_, keys)| keys.len()).collect()
        };
        assert_eq!(sizes(&mut asking), [30, 30, 30, 10]);
        asking.begin_second(seconds(1));
        asking.begin_second(seconds(1));
        assert_eq!(sizes(&mut asking), [30, 30, 30, 10]);
        for second in 2..10 {
            asking.begin_second(seconds(second));
            sizes(&mut asking);
        }
        assert_eq!(asking.calls.len(), FLYING);
        assert_eq!((asking.share(40, seconds(5)), asking.share(1_000, seconds(5))), (8, 50));
    }

    #[test]
    fn nothing_stays_of_what_nobody_wants() {
        let mut asking = Asking::new(10, 10, RETRY);
        for round in 0..1_000 {
            asking.want(round);
            asking.want(round + 1);
            let call = asking.call();
            asking.forget(&round);
            if let Some((call, _)) = call {
                asking.ended(call, round % 2 == 0, seconds(1));
            }
            asking.forget(&round);
            asking.forget(&(round + 1));
        }
        assert!(asking.stages.is_empty() && asking.queue.is_empty() && asking.failed.is_empty());
    }
}
