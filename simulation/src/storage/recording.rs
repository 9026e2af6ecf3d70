//! A view that remembers what was changed, so that each change can be checked.

use chatcluster_protocol::Millis;
use messages_core::{
    key::{Key, Table},
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
    /// A receipt is placed.
    Receipt(Key),
}

/// A view under observation.
pub(super) struct Recording<'a> {
    pub(super) view: &'a mut MemoryView,
    pub(super) changes: Vec<Change>,
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
            self.changes.push(Change::Removed(key.to_vec()));
        }
        self.view.remove(key, now)
    }
}
