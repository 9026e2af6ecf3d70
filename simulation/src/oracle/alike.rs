//! That replicas become alike: what one has missed it is given, soon after everybody can be reached again.

use std::collections::{BTreeMap, BTreeSet};

use itertools::{
    EitherOrBoth::{self, Both, Left, Right},
    Itertools,
};
use messages_core::{key::Key, record::is_tombstone};

use crate::{
    clock::{S, Time},
    storage::Replica,
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
        let [first, others @ ..] = &self.replicas[..] else { return };
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for other in others {
            let rows = first.view.map().iter();
            let pairs = rows.merge_join_by(other.view.map(), |(one, _), (two, _)| one.cmp(two));
            keys.extend(pairs.filter_map(differs).cloned());
        }
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
        self.replicas.iter().all(Replica::votes)
    }
}

/// The key of a record that two replicas have, if they say different things of it.
fn differs<'a>(pair: EitherOrBoth<(&'a Key, &'a Vec<u8>)>) -> Option<&'a Key> {
    let (key, differ) = match pair {
        Both((key, one), (_, two)) => {
            (key, one != two && !(is_tombstone(one) && is_tombstone(two)))
        }
        Left((key, value)) | Right((key, value)) => (key, !is_tombstone(value)),
    };
    differ.then_some(key)
}
