//! What a stretch of the map holds, told shortly: so replicas that have the same say so at no cost.

use chatcluster_protocol::Millis;
use sha2::{Digest as _, Sha256};

use crate::{
    key::Key,
    record,
    view::{Rows, Scan},
};

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The first bytes of the SHA-256 of all keys and values, each behind its length in four bytes. Of what was
    /// removed the time is left out, as each replica has its own; what is to be forgotten does not count.
    pub hash: [u8; 16],
    /// Tombstones that are to be forgotten.
    pub forgotten: u64,
    /// Where the scan ended although there may be more behind it.
    pub ended_at: Option<Key>,
}

impl Digest {
    /// Of rows in ascending order. Forgotten is what was removed before then.
    pub fn of(rows: &Rows, forgotten_before: Millis) -> Self {
        let (mut hash, mut forgotten) = (Sha256::new(), 0);
        for (key, value) in &rows.rows {
            let removed = record::removed_at(value);
            if removed.is_some_and(|at| at < forgotten_before) {
                forgotten += 1;
                continue;
            }
            let value = if removed.is_some() { &[][..] } else { &value[..] };
            for part in [&key[..], value] {
                hash.update((part.len() as u32).to_be_bytes());
                hash.update(part);
            }
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize()[..16]);
        let last = rows.rows.last().filter(|_| rows.truncated);
        Self { hash: short, forgotten, ended_at: last.map(|(key, _)| key.clone()) }
    }
}

/// Most rows that are compared at a time.
const ROWS: usize = 256;

/// And about the most bytes: what differs is read whole.
const BYTES: usize = 128 * 1024;

/// The next stretch of a table that is compared.
pub(crate) fn stretch(from: Key, table_end: Key) -> Scan {
    Scan { from, to: table_end, reverse: false, rows: ROWS, bytes: BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(u8, Vec<u8>)]) -> Rows {
        let rows = rows.iter().map(|(key, value)| (vec![8, *key], value.clone())).collect();
        Rows { rows, truncated: false }
    }

    fn hash(of: &[(u8, Vec<u8>)]) -> [u8; 16] {
        Digest::of(&rows(of), 100).hash
    }

    #[test]
    fn what_counts_changes_it_and_nothing_else_does() {
        let (live, other) = (record::encode(1u8), record::encode(2u8));
        let all = [(1, live.clone()), (2, record::tombstone(100)), (3, record::tombstone(99))];
        let same = [(1, live.clone()), (2, record::tombstone(5_000_000))];
        assert_eq!(hash(&all), hash(&same));
        assert_eq!(Digest::of(&rows(&all), 100).forgotten, 1);
        for less in [
            &[(1, live.clone())][..],
            &[(1, other), (2, record::tombstone(100))],
            &[(1, live.clone()), (4, record::tombstone(100))],
            &[(1, live.clone()), (2, live)],
        ] {
            assert_ne!(hash(&all), hash(less));
        }
    }

    /// Computed by another program: database nodes compute it in Erlang.
    #[test]
    fn it_is_what_is_written_above() {
        let rows = Rows { rows: vec![(b"\x01ab".into(), b"\x01\x00xyz".into())], truncated: true };
        let digest = Digest::of(&rows, 0);
        assert_eq!(digest.ended_at, Some(b"\x01ab".into()));
        assert_eq!(u128::from_be_bytes(digest.hash), EXPECTED);
    }

    const EXPECTED: u128 = 0x980b_220f_d3f5_53f7_392b_60fc_d761_2ea4;
}
