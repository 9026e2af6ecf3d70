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

use crate::{Shape, World, oracle::Violation};

/// The seed that found a bug, and how; `None` for a bug that none of the seeds has found.
pub type Found = Option<(u64, Violation)>;

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
            let found = (0..seeds).find_map(|seed| finds(*bug, seed, &sound));
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

fn finds(bug: Bug, seed: u64, sound: &Sound) -> Found {
    plant(Some(bug));
    let violation = World::play(Shape::of(seed), false).violation;
    plant(None);
    let violation = violation?;
    let known = sound.lock().unwrap_or_else(PoisonError::into_inner).get(&seed).copied();
    let is_sound = known.unwrap_or_else(|| World::play(Shape::of(seed), false).violation.is_none());
    sound.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, is_sound);
    is_sound.then_some((seed, violation))
}
