//! The ordered map that a replica is, as the core sees it: an embedded file, or a database node.

use std::{collections::BTreeMap, ops::Bound};

use chatcluster_protocol::Millis;

use crate::{key::Key, record::Corrupt};

/// Why a view could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The storage below failed. Nothing of the transaction may be kept.
    #[error("storage failed: {0}")]
    Storage(String),
    /// A record is not what it should be. The rest of the storage is as good as before.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Reading the map.
pub trait View {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError>;

    /// A range of the map.
    fn scan(&self, scan: &Scan) -> Result<Rows, ViewError>;
}

/// Changing the map, inside of a transaction that the caller commits.
pub trait ViewMut: View {
    /// Sets the value of a key.
    fn put(&mut self, key: Key, value: Vec<u8>) -> Result<(), ViewError>;

    /// Removes a key. Where there are several replicas, a tombstone takes its place until all have
    /// confirmed it (rule 13); with one replica nothing stays.
    fn remove(&mut self, key: &[u8], now: Millis) -> Result<(), ViewError>;

    /// Removes a key, and nothing takes its place.
    fn erase(&mut self, key: &[u8]) -> Result<(), ViewError>;
}

/// A range of keys: `from` inside, `to` outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The lowest key.
    pub from: Key,
    /// Behind the highest key.
    pub to: Key,
    /// From the highest down.
    pub reverse: bool,
    /// Most rows; the page is truncated when there are more.
    pub rows: usize,
    /// The page is also truncated behind the row whose value brings it to this many bytes.
    pub bytes: usize,
}

impl Scan {
    /// One key.
    pub fn one(key: Key) -> Self {
        let to = crate::key::behind(&key);
        Self { from: key, to, reverse: false, rows: 1, bytes: usize::MAX }
    }

    /// The first `rows` keys that start with `prefix`.
    pub fn prefix(prefix: Key, rows: usize) -> Self {
        let to = crate::key::end_of(&prefix);
        Self { from: prefix, to, reverse: false, rows, bytes: usize::MAX }
    }
}

/// A page of a scan, in its direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Keys and values, tombstones included.
    pub rows: Vec<(Key, Vec<u8>)>,
    /// There may be more behind the last row.
    pub truncated: bool,
}

impl Rows {
    /// Takes rows of `source`, which has the direction of `scan`, until a limit of `scan`.
    pub fn take<E>(
        scan: &Scan,
        source: impl Iterator<Item = Result<(Key, Vec<u8>), E>>,
    ) -> Result<Self, E> {
        let (mut page, mut bytes) = (Self::default(), 0usize);
        for row in source {
            if page.rows.len() >= scan.rows || bytes >= scan.bytes {
                page.truncated = true;
                break;
            }
            let row = row?;
            bytes = bytes.saturating_add(row.1.len());
            page.rows.push(row);
        }
        Ok(page)
    }
}

/// A map in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryView {
    map: BTreeMap<Key, Vec<u8>>,
    tombstones: bool,
}

impl MemoryView {
    /// An empty map that keeps tombstones, as one of several replicas does.
    pub fn with_tombstones() -> Self {
        Self { tombstones: true, ..Self::default() }
    }

    /// All keys and values.
    pub fn map(&self) -> &BTreeMap<Key, Vec<u8>> {
        &self.map
    }
}

impl View for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.map.get(key).cloned())
    }

    fn scan(&self, scan: &Scan) -> Result<Rows, ViewError> {
        if scan.from >= scan.to {
            return Ok(Rows::default());
        }
        let range = (Bound::Included(&scan.from), Bound::Excluded(&scan.to));
        let rows = self.map.range::<Key, _>(range).map(|(k, v)| Ok((k.clone(), v.clone())));
        if scan.reverse { Rows::take(scan, rows.rev()) } else { Rows::take(scan, rows) }
    }
}

impl ViewMut for MemoryView {
    fn put(&mut self, key: Key, value: Vec<u8>) -> Result<(), ViewError> {
        self.map.insert(key, value);
        Ok(())
    }

    fn remove(&mut self, key: &[u8], now: Millis) -> Result<(), ViewError> {
        if self.tombstones {
            self.map.insert(key.to_vec(), crate::record::tombstone(now));
        } else {
            self.map.remove(key);
        }
        Ok(())
    }

    fn erase(&mut self, key: &[u8]) -> Result<(), ViewError> {
        self.map.remove(key);
        Ok(())
    }
}
