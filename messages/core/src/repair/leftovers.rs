//! What is left of devices that are known no more: it came to a replica that was not heard when all that the device
//! was owed was removed. It is removed now, and not given to the others.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::id::{DeviceId, UserId};

use super::mend::Range;
use crate::{
    apply::{Part, Unit},
    key::{self, Key, Table},
    record::{self, Registry},
};

/// What devices are owed that some replica lacks; then of those devices only that are known no more.
#[derive(Debug, Default)]
pub(super) struct Leftovers(BTreeMap<(UserId, DeviceId), BTreeSet<Key>>);

impl Leftovers {
    /// Of these rows.
    pub(super) fn of<'a>(rows: impl Iterator<Item = (&'a Key, &'a Vec<u8>)>) -> Self {
        let mut all = Self::default();
        for (key, value) in rows {
            let owed = matches!(Table::of(key), Some(Table::Inbox | Table::Receipt));
            if owed
                && !record::is_tombstone(value)
                && let Some(device) = key::device_of(key)
            {
                all.0.entry(device).or_default().insert(key.clone());
            }
        }
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys of what has to be read of their users.
    pub(super) fn registries(&self) -> impl Iterator<Item = Key> {
        let users: BTreeSet<&UserId> = self.0.keys().map(|(user, _)| user).collect();
        users.into_iter().map(key::registry)
    }

    /// Leaves those that are known no more, where their users' devices can be read.
    pub(super) fn judge(&mut self, registries: &[Range]) {
        let rows = registries.iter().flat_map(|range| &range.truth);
        let registries = rows.filter_map(|(key, value)| {
            let registry = record::decode::<Registry>(key, value).ok()??;
            Some((key::user_of(key)?, registry))
        });
        let registries: BTreeMap<UserId, Registry> = registries.collect();
        self.0.retain(|(user, device), _| {
            registries.get(user).is_some_and(|registry| !registry.devices.contains_key(device))
        });
    }

    /// Whether a row is such a leftover.
    pub(super) fn has(&self, key: &Key, value: &[u8]) -> bool {
        let left = |device| self.0.get(&device).is_some_and(|keys| keys.contains(key));
        !self.is_empty() && !record::is_tombstone(value) && key::device_of(key).is_some_and(left)
    }

    /// What removes them. A replica on which a device is back keeps what it has.
    pub(super) fn clear(&self) -> impl Iterator<Item = Unit> {
        self.0.iter().map(|((user, device), keys)| {
            Unit(vec![Part::Clear {
                user: user.clone(),
                device: device.clone(),
                keys: keys.iter().cloned().collect(),
            }])
        })
    }
}
