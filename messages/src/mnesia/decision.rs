//! A decision: what was read of what the map is believed to hold, and what is to be written.

use std::{cell::RefCell, collections::BTreeMap, iter::Peekable, vec};

use chatcluster_protocol::Millis;
use messages_core::{
    key::Key,
    record,
    view::{Rows, Scan, View, ViewError, ViewMut},
};

use super::{Removal, known::Known};

/// The map as one decision sees it.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    known: &'a Known,
    removal: Removal,
    read: RefCell<Read>,
    /// `None` where the key is removed.
    writes: BTreeMap<Key, Option<Vec<u8>>>,
}

/// What a decision has read. It stands if all of this is true.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) values: BTreeMap<Key, Option<Vec<u8>>>,
    pub(super) ranges: Vec<(Scan, Rows)>,
}

/// What a decision is to change: values by key, `None` where the key is removed.
pub(super) type Writes = BTreeMap<Key, Option<Vec<u8>>>;

impl<'a> Decision<'a> {
    pub(super) fn new(known: &'a Known, removal: Removal) -> Self {
        Self { known, removal, read: RefCell::default(), writes: BTreeMap::new() }
    }

    pub(super) fn into_parts(self) -> (Read, Writes) {
        (self.read.into_inner(), self.writes)
    }

    /// What the map itself holds of a range that this decision changes: as many rows more as could fall away.
    fn beneath(&self, scan: &Scan) -> Rows {
        let changed = self.writes.range(scan.from.clone()..scan.to.clone()).count();
        let beneath = match changed {
            0 => scan.clone(),
            _ => {
                Scan { rows: scan.rows.saturating_add(changed), bytes: usize::MAX, ..scan.clone() }
            }
        };
        let rows = self.known.range(&beneath);
        let read = &mut self.read.borrow_mut().ranges;
        if !read.iter().any(|(before, _)| *before == beneath) {
            read.push((beneath, rows.clone()));
        }
        rows
    }
}

impl View for Decision<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        if let Some(written) = self.writes.get(key) {
            return Ok(written.clone());
        }
        let value = self.known.value(key).cloned();
        self.read.borrow_mut().values.entry(key.to_vec()).or_insert_with(|| value.clone());
        Ok(value)
    }

    fn scan(&self, scan: &Scan) -> Result<Rows, ViewError> {
        if scan.from >= scan.to {
            return Ok(Rows::default());
        }
        let beneath = self.beneath(scan);
        let changes = self.writes.range(scan.from.clone()..scan.to.clone());
        let changes = changes.map(|(key, value)| (key.clone(), value.clone()));
        let changes: Vec<_> =
            if scan.reverse { changes.rev().collect() } else { changes.collect() };
        let truncated = beneath.truncated;
        let merged = Merged {
            rows: beneath.rows.into_iter().peekable(),
            changes: changes.into_iter().peekable(),
            reverse: scan.reverse,
        };
        let mut page = Rows::take(scan, merged.map(Ok::<_, ViewError>))?;
        page.truncated |= truncated;
        Ok(page)
    }
}

impl ViewMut for Decision<'_> {
    fn put(&mut self, key: Key, value: Vec<u8>) -> Result<(), ViewError> {
        self.writes.insert(key, Some(value));
        Ok(())
    }

    fn remove(&mut self, key: &[u8], now: Millis) -> Result<(), ViewError> {
        let left = match self.removal {
            Removal::Gone => None,
            Removal::Tombstone => Some(record::tombstone(now)),
        };
        self.writes.insert(key.to_vec(), left);
        Ok(())
    }

    fn erase(&mut self, key: &[u8]) -> Result<(), ViewError> {
        self.writes.insert(key.to_vec(), None);
        Ok(())
    }
}

/// Rows of the map with the changes of the decision, both in the same direction.
struct Merged {
    rows: Peekable<vec::IntoIter<(Key, Vec<u8>)>>,
    changes: Peekable<vec::IntoIter<(Key, Option<Vec<u8>>)>>,
    reverse: bool,
}

impl Iterator for Merged {
    type Item = (Key, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        while let (Some((row, _)), Some((changed, _))) = (self.rows.peek(), self.changes.peek()) {
            let order = if self.reverse { changed.cmp(row) } else { row.cmp(changed) };
            if order.is_lt() {
                return self.rows.next();
            }
            if order.is_eq() {
                self.rows.next();
            }
            if let Some((key, Some(value))) = self.changes.next() {
                return Some((key, value));
            }
        }
        self.rows
            .next()
            .or_else(|| self.changes.find_map(|(key, value)| value.map(|value| (key, value))))
    }
}

#[cfg(test)]
mod tests {
    use messages_core::view::MemoryView;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u8),
        Remove(u8),
        Get(u8),
        Scan(u8, u8, bool, usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0u8..20, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
            2 => (0u8..20).prop_map(Step::Remove),
            1 => (0u8..20).prop_map(Step::Get),
            4 => (0u8..20, 0u8..22, any::<bool>(), 0usize..6, 0usize..8)
                .prop_map(|(from, to, reverse, rows, bytes)| Step::Scan(from, to, reverse, rows, bytes)),
        ]
    }

    fn view(rows: &BTreeMap<u8, u8>, tombstones: bool) -> MemoryView {
        let mut view =
            if tombstones { MemoryView::with_tombstones() } else { MemoryView::default() };
        for (key, value) in rows {
            view.put(vec![*key], vec![*value; usize::from(value % 4)]).unwrap();
        }
        view
    }

    proptest! {
        /// Told what it had read wrongly until it has read nothing wrongly, a decision sees what a map in memory
        /// sees, and changes the same.
        #[test]
        fn a_decision_is_what_a_map_in_memory_makes_of_it(
            rows in prop::collection::btree_map(0u8..20, any::<u8>(), 0..20),
            steps in prop::collection::vec(step(), 0..30),
            tombstones in any::<bool>(),
        ) {
            let removal = if tombstones { Removal::Tombstone } else { Removal::Gone };
            let map = view(&rows, tombstones);
            let mut model = map.clone();
            let mut seen = Vec::new();
            play(&mut model, &steps, &mut seen);
            let mut known = Known::default();
            for attempt in 0.. {
                prop_assert!(attempt < 40, "it comes to no end");
                let mut decision = Decision::new(&known, removal);
                let mut here = Vec::new();
                play(&mut decision, &steps, &mut here);
                let (read, writes) = decision.into_parts();
                let mut right = true;
                for (key, value) in read.values {
                    let is = map.get(&key).unwrap();
                    right &= is == value;
                    known.correct_value(key, is);
                }
                for (scan, rows) in read.ranges {
                    let is = map.scan(&scan).unwrap();
                    right &= is == rows;
                    known.correct_range(scan, is);
                }
                if right {
                    prop_assert_eq!(here, seen);
                    let mut changed = map.map().clone();
                    for (key, value) in writes {
                        match value {
                            Some(value) => changed.insert(key, value),
                            None => changed.remove(&key),
                        };
                    }
                    prop_assert_eq!(&changed, model.map());
                    break;
                }
            }
        }
    }

    fn play(view: &mut impl ViewMut, steps: &[Step], seen: &mut Vec<Rows>) {
        for step in steps {
            match *step {
                Step::Put(key, value) => view.put(vec![key], vec![value; 2]).unwrap(),
                Step::Remove(key) => view.remove(&[key], 7).unwrap(),
                Step::Get(key) => {
                    let value = view.get(&[key]).unwrap();
                    let rows = value.into_iter().map(|value| (vec![key], value)).collect();
                    seen.push(Rows { rows, truncated: false });
                }
                Step::Scan(from, to, reverse, rows, bytes) => {
                    let scan = Scan { from: vec![from], to: vec![to], reverse, rows, bytes };
                    seen.push(view.scan(&scan).unwrap());
                }
            }
        }
    }
}
