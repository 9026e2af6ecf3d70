//! Many seeds, one world per thread, and what they have covered together.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use crate::{Outcome, Shape, World, coverage, oracle::Violation};

/// What a run of many seeds came to.
#[derive(Debug, Default)]
pub struct Campaign {
    /// Seeds that broke a promise.
    pub failed: Vec<(u64, Violation)>,
    /// How often each branch was taken.
    pub covered: BTreeMap<&'static str, u64>,
    /// Seeds played, and their events, sends and faults.
    pub seeds: u64,
    /// Events of all seeds.
    pub events: u64,
    /// Sends of all seeds.
    pub sends: u64,
    /// Faults of all seeds.
    pub faults: u64,
    /// Seeds with fewer events, sends or faults than a seed has to have.
    pub small: Vec<u64>,
}

impl Campaign {
    /// Plays seeds on so many threads; `progress` hears of each that is done.
    pub fn run(seeds: &[u64], threads: usize, progress: impl Fn(u64, &Outcome) + Sync) -> Self {
        let (next, all) = (AtomicU64::new(0), Mutex::new(Self::default()));
        let work = || {
            while let Some(seed) = seeds.get(next.fetch_add(1, Relaxed) as usize) {
                coverage::take();
                let outcome = World::play(Shape::of(*seed), false);
                progress(*seed, &outcome);
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.add(*seed, outcome, coverage::take());
            }
        };
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        all.failed.sort_by_key(|(seed, _)| *seed);
        all
    }

    fn add(&mut self, seed: u64, outcome: Outcome, covered: BTreeMap<&'static str, u64>) {
        self.seeds += 1;
        self.events += outcome.events;
        self.sends += outcome.sends;
        self.faults += outcome.faults as u64;
        for (what, count) in covered {
            *self.covered.entry(what).or_default() += count;
        }
        match outcome.violation {
            Some(violation) => self.failed.push((seed, violation)),
            None if outcome.events < 1_000 || outcome.sends < 200 || outcome.faults < 10 => {
                self.small.push(seed);
            }
            None => {}
        }
    }

    /// The branches and faults that were never met.
    pub fn uncovered(&self) -> Vec<&'static str> {
        coverage::untaken(&self.covered)
    }
}
