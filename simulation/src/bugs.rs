//! Proof that the simulation can fail: each planted bug has to be found by some seed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use chatcluster_protocol::planted::{Bug, plant};

use crate::{Shape, World, coverage, oracle::Violation};

/// How a bug was found.
#[derive(Debug, Clone)]
pub enum Found {
    /// A seed breaks a promise.
    Seed(u64, Violation),
    /// No seed does, but what all of them together have to take was never taken, which fails a run, too.
    Untaken(Vec<&'static str>),
    /// Nothing shows it.
    Not,
}

/// Seeds whose worlds break a promise without any bug of ours say nothing.
type Sound = Mutex<BTreeMap<u64, bool>>;

/// Looks for each bug with the seeds from 0 to `seeds`, on so many threads.
pub fn find(
    bugs: &[Bug],
    seeds: u64,
    threads: usize,
    progress: impl Fn(Bug, &Found) + Sync,
) -> BTreeMap<Bug, Found> {
    let (next, all, sound) = (AtomicUsize::new(0), Mutex::default(), Sound::default());
    let work = || {
        while let Some(bug) = bugs.get(next.fetch_add(1, Relaxed)) {
            coverage::take();
            let seed = (0..seeds).find_map(|seed| finds(*bug, seed, &sound));
            let found = match (seed, coverage::untaken(&coverage::take())) {
                (Some((seed, violation)), _) => Found::Seed(seed, violation),
                (None, untaken) if untaken.is_empty() => Found::Not,
                (None, untaken) => Found::Untaken(untaken),
            };
            progress(*bug, &found);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            BTreeMap::insert(&mut all, *bug, found);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn finds(bug: Bug, seed: u64, sound: &Sound) -> Option<(u64, Violation)> {
    plant(Some(bug));
    let violation = World::play(Shape::of(seed), false).violation;
    plant(None);
    let violation = violation?;
    let known = sound.lock().unwrap_or_else(PoisonError::into_inner).get(&seed).copied();
    let is_sound = known.unwrap_or_else(|| World::play(Shape::of(seed), false).violation.is_none());
    sound.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, is_sound);
    is_sound.then_some((seed, violation))
}
