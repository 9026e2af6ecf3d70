//! A redb transaction as the core sees it: one table of byte strings.

use chatcluster_protocol::Millis;
use messages_core::{
    key::Key,
    view::{Rows, Scan, View, ViewError, ViewMut},
};
use redb::{ReadableTable, Table, TableDefinition};

/// All records. The keys say what they are ([`messages_core::key`]).
pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// A table, to read or to change.
pub(super) struct RedbView<T> {
    table: T,
    /// Something was changed.
    pub(super) changed: bool,
}

impl<T> RedbView<T> {
    pub(super) fn new(table: T) -> Self {
        Self { table, changed: false }
    }
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> View for RedbView<T> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.table.get(key).map_err(storage)?.map(|value| value.value().to_vec()))
    }

    fn scan(&self, scan: &Scan) -> Result<Rows, ViewError> {
        let (from, to) = (scan.from.as_slice(), scan.to.as_slice());
        if from >= to {
            return Ok(Rows::default());
        }
        let rows = self.table.range::<&[u8]>(from..to).map_err(storage)?;
        let rows = rows.map(|row| {
            let (key, value) = row.map_err(storage)?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        if scan.reverse { Rows::take(scan, rows.rev()) } else { Rows::take(scan, rows) }
    }
}

impl ViewMut for RedbView<Table<'_, &'static [u8], &'static [u8]>> {
    fn put(&mut self, key: Key, value: Vec<u8>) -> Result<(), ViewError> {
        self.changed = true;
        self.table.insert(key.as_slice(), value.as_slice()).map(drop).map_err(storage)
    }

    fn remove(&mut self, key: &[u8], _: Millis) -> Result<(), ViewError> {
        // The only replica: once it has the removal, every replica has it, and no tombstone is needed.
        self.erase(key)
    }

    fn erase(&mut self, key: &[u8]) -> Result<(), ViewError> {
        let gone = self.table.remove(key).map_err(storage)?;
        self.changed |= gone.is_some();
        Ok(())
    }
}

fn storage(error: redb::StorageError) -> ViewError {
    ViewError::Storage(error.to_string())
}
