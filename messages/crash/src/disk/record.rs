//! What the library has written down.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

/// A change, or a sync, of a file that is named by its inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Made {
        inode: u64,
        path: PathBuf,
    },
    Written {
        inode: u64,
        at: u64,
        bytes: Vec<u8>,
    },
    Cut {
        inode: u64,
        length: u64,
    },
    /// All records of it below this number are on the disk.
    Synced {
        inode: u64,
        up_to: u64,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    Removed {
        path: PathBuf,
    },
}

const HEAD: usize = 32;

/// All that are whole. The process may have been killed while it wrote the last one.
pub(super) fn read(journal: &[u8]) -> Vec<Record> {
    let (mut records, mut rest) = (Vec::new(), journal);
    while let Some((record, behind)) = one(rest) {
        records.push(record);
        rest = behind;
    }
    records
}

fn one(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let number = |at: usize| {
        let bytes = head.get(8 * at..8 * at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    };
    let [kind, inode, at, length] = [number(0), number(1), number(2), number(3)];
    let (data, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let record = match u8::try_from(kind).ok()? {
        b'o' => Record::Made { inode, path: path(data) },
        b'w' => Record::Written { inode, at, bytes: data.to_vec() },
        b't' => Record::Cut { inode, length: at },
        b's' => Record::Synced { inode, up_to: at },
        b'r' => {
            let mut paths = data.split(|byte| *byte == 0).map(path);
            Record::Renamed { from: paths.next()?, to: paths.next()? }
        }
        b'u' => Record::Removed { path: path(data) },
        _ => return None,
    };
    Some((record, behind))
}
