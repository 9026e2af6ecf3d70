//! What the map is believed to hold.

use std::{collections::HashMap, mem};

use messages_core::{
    key::Key,
    view::{Rows, Scan},
};

/// Most values that are believed in, twice: the newer and the older ones.
const VALUES: usize = 16 * 1024;

/// Longer values are not remembered. What is read again and again (marks, registries) is short.
const LENGTH: usize = 1024;

/// Values and ranges of the map, as they were when the node last said so. Anything may have changed since: a wrong
/// belief costs a call.
#[derive(Debug, Default)]
pub(super) struct Known {
    newer: HashMap<Key, Option<Vec<u8>>>,
    older: HashMap<Key, Option<Vec<u8>>>,
    /// Only while a decision is made again.
    told: HashMap<Key, Option<Vec<u8>>>,
    ranges: Vec<(Scan, Rows)>,
}

impl Known {
    /// The value of a key. What nobody has said anything of is not there: most of what is asked is whether
    /// something new is new.
    pub(super) fn value(&self, key: &[u8]) -> Option<&Vec<u8>> {
        let said =
            self.told.get(key).or_else(|| self.newer.get(key)).or_else(|| self.older.get(key));
        said.and_then(Option::as_ref)
    }

    /// A range.
    pub(super) fn range(&self, scan: &Scan) -> Rows {
        let said = self.ranges.iter().rev().find(|(known, _)| known == scan);
        said.map(|(_, rows)| rows.clone()).unwrap_or_default()
    }

    /// The node says what a value is, against what was believed.
    pub(super) fn correct_value(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.told.insert(key, value);
    }

    /// The same of a range.
    pub(super) fn correct_range(&mut self, scan: Scan, rows: Rows) {
        self.ranges.retain(|(known, _)| *known != scan);
        self.ranges.push((scan, rows));
    }

    /// A decision came to its end, and the map holds these values now.
    pub(super) fn settle(&mut self, values: impl Iterator<Item = (Key, Option<Vec<u8>>)>) {
        self.told.clear();
        self.ranges.clear();
        for (key, value) in values {
            self.older.remove(&key);
            if value.as_ref().is_some_and(|value| value.len() > LENGTH) {
                self.newer.remove(&key);
                continue;
            }
            if self.newer.len() >= VALUES {
                self.older = mem::take(&mut self.newer);
            }
            self.newer.insert(key, value);
        }
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        n.to_be_bytes().to_vec()
    }

    #[test]
    fn what_was_used_last_is_remembered_and_the_rest_in_the_end_forgotten() {
        let mut known = Known::default();
        known.settle([(key(1), Some(vec![1])), (key(2), Some(vec![2]))].into_iter());
        for n in 10..10 + 3 * VALUES {
            // The first of the two is used again and again.
            let used = (key(1), Some(vec![1]));
            known.settle([(key(n), Some(vec![0])), used].into_iter());
        }
        assert_eq!((known.value(&key(1)), known.value(&key(2))), (Some(&vec![1]), None));
        assert!(known.newer.len() + known.older.len() <= 2 * VALUES);
    }

    #[test]
    fn a_correction_counts_until_the_decision_is_made_and_long_values_are_not_kept() {
        let mut known = Known::default();
        known.settle([(key(1), Some(vec![1]))].into_iter());
        known.correct_value(key(1), None);
        assert_eq!(known.value(&key(1)), None);
        known.settle([(key(1), Some(vec![2])), (key(2), Some(vec![0; LENGTH + 1]))].into_iter());
        assert_eq!((known.value(&key(1)), known.value(&key(2))), (Some(&vec![2]), None));
    }
}
