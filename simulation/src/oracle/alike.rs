//! That replicas become alike: what one has missed it is given, soon after everybody can be reached again.

use std::collections::{BTreeMap, BTreeSet};

use messages_core::{key::Key, record::is_tombstone};

use crate::{
    clock::{S, Time},
    world::World,
};

/// How long a difference may stay: passes of two pods take that long, and what is written meanwhile is compared
/// by the next ones.
const PATIENCE: Time = 90 * S;

/// Keys of which replicas say different things, and since when.
#[derive(Debug, Default)]
pub(super) struct Differences(BTreeMap<Key, Time>);

impl World {
    /// Compares the replicas, whoever of them is there.
    pub(crate) fn compare_replicas(&mut self) {
        let mut keys: BTreeSet<&Key> = BTreeSet::new();
        let (first, others) =
            self.replicas.split_first().map_or((None, &[][..]), |(a, b)| (Some(a), b));
        let Some(first) = first else { return };
        let live = |value: Option<&Vec<u8>>| value.filter(|value| !is_tombstone(value)).cloned();
        for other in others {
            for (one, two) in [(first, other), (other, first)] {
                let differs = |(key, value): &(&Key, &Vec<u8>)| {
                    live(Some(value)) != live(two.view.map().get(*key))
                };
                keys.extend(one.view.map().iter().filter(differs).map(|(key, _)| key));
            }
        }
        let keys: BTreeSet<Key> = keys.into_iter().cloned().collect();
        let since = &mut self.oracle.differences.0;
        since.retain(|key, _| keys.contains(key));
        for key in keys {
            since.entry(key).or_insert(self.now);
        }
    }

    /// Whether they have come to say the same.
    pub(super) fn are_alike(&self) -> bool {
        self.oracle.differences.0.is_empty()
    }

    /// What has stayed different for too long.
    pub(super) fn unlike(&self) -> Option<String> {
        let late = |(_, since): &(&Key, &Time)| self.now.saturating_sub(**since) > PATIENCE;
        let (key, since) = self.oracle.differences.0.iter().find(late)?;
        let values: Vec<_> =
            self.replicas.iter().map(|replica| replica.view.map().get(key)).collect();
        let since = since / S;
        Some(format!("replicas differ since second {since} in {key:?}: {values:?}"))
    }

    /// Whether all replicas vote again.
    pub(super) fn all_vote(&self) -> bool {
        self.shape.replicas == 1 || self.replicas.iter().all(crate::storage::Replica::votes)
    }
}
