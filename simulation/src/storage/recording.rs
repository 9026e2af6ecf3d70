//! A view that remembers what was changed, so that each change can be checked.

use chatcluster_protocol::{Millis, id::UserId};
use gateway_core::Device;
use messages_core::{
    key::{self, Key, Table},
    record::{self, Registry},
    view::{MemoryView, Rows, Scan, View, ViewError, ViewMut},
};

/// A change that is checked.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A message is in the archive.
    Archived(Key),
    /// An entry is in an inbox that was not.
    Added(Key),
    /// An entry is gone that was there, or will never come.
    Removed(Key),
    /// The same, of a device that the replica does not know, or not any more.
    Cleared(Key),
    /// An entry is taken from a replica that joins, as nobody else has it.
    Erased(Key),
    /// A device is in its user's registry no more.
    Left(Device),
    /// A receipt is placed.
    Receipt(Key),
}

/// A view under observation.
pub(super) struct Recording<'a> {
    pub(super) view: &'a mut MemoryView,
    pub(super) changes: Vec<Change>,
    /// The last device that was looked for in its registry, as keys of its inbox begin, and whether it was
    /// there. Most removals are of one device.
    known: Option<(Key, bool)>,
}

impl<'a> Recording<'a> {
    pub(super) fn new(view: &'a mut MemoryView) -> Self {
        Self { view, changes: Vec::new(), known: None }
    }

    fn registry(&self, user: &UserId) -> Result<Registry, ViewError> {
        let key = key::registry(user);
        let value = self.view.get(&key)?;
        let registry = value.map(|value| record::decode(&key, &value)).transpose()?;
        Ok(registry.flatten().unwrap_or_default())
    }

    fn registry_changes(&mut self, key: &[u8], value: &[u8]) -> Result<(), ViewError> {
        let Some(user) = key::user_of(key) else { return Ok(()) };
        let after = record::decode::<Registry>(key, value)?.unwrap_or_default();
        let before = self.registry(&user)?;
        let gone = before.devices.into_keys().filter(|name| !after.devices.contains_key(name));
        let left = |device| Change::Left(Device { user: user.clone(), device });
        self.changes.extend(gone.map(left));
        Ok(())
    }

    /// Whether the device of an inbox's key is registered here.
    fn knows_device_of(&mut self, key: &[u8]) -> Result<bool, ViewError> {
        let inbox = &key[..key.len().saturating_sub(16)];
        if let Some((_, known)) = self.known.as_ref().filter(|(last, _)| last == inbox) {
            return Ok(*known);
        }
        let Some((user, device)) = key::device_of(key) else { return Ok(false) };
        let known = self.registry(&user)?.devices.contains_key(&device);
        self.known = Some((inbox.to_vec(), known));
        Ok(known)
    }
}

impl View for Recording<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.view.get(key)
    }

    fn scan(&self, scan: &Scan) -> Result<Rows, ViewError> {
        self.view.scan(scan)
    }
}

impl ViewMut for Recording<'_> {
    fn put(&mut self, key: Key, value: Vec<u8>) -> Result<(), ViewError> {
        if record::is_tombstone(&value) {
            // Somebody else has removed it, and whether for an acknowledgement or not is seen there.
            if Table::of(&key) == Some(Table::Inbox) {
                self.changes.push(Change::Cleared(key.clone()));
            }
            return self.view.put(key, value);
        }
        if Table::of(&key) == Some(Table::Registry) {
            self.known = None;
            self.registry_changes(&key, &value)?;
        }
        let change = match Table::of(&key) {
            Some(Table::Archive) => Some(Change::Archived(key.clone())),
            Some(Table::Inbox) => Some(Change::Added(key.clone())),
            Some(Table::Receipt) => Some(Change::Receipt(key.clone())),
            _ => None,
        };
        self.changes.extend(change);
        self.view.put(key, value)
    }

    fn remove(&mut self, key: &[u8], now: Millis) -> Result<(), ViewError> {
        if Table::of(key) == Some(Table::Inbox) {
            let gone = !self.knows_device_of(key)?;
            let change = if gone { Change::Cleared } else { Change::Removed };
            self.changes.push(change(key.to_vec()));
        }
        self.view.remove(key, now)
    }

    fn erase(&mut self, key: &[u8]) -> Result<(), ViewError> {
        let removed = self.view.get(key)?.is_some_and(|value| record::is_tombstone(&value));
        if Table::of(key) == Some(Table::Inbox) && !removed {
            self.changes.push(Change::Erased(key.to_vec()));
        }
        self.view.erase(key)
    }
}
