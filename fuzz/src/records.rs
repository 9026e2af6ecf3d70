//! What the message service reads from its disk, and from the disks of replicas.

use std::fmt::Debug;

use messages_core::{
    group::Group,
    key::{self, Table},
    merge::merge,
    record::{
        Archived, Delivered, Departure, Id, InboxEntry, Mark, Privacy, ReferenceRecord, Registry,
        Revoked, Told, decode, encode, is_tombstone,
    },
    roster::Roster,
    view::Rows,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::input::Input;

/// A record, with anything for its key and its value: what is read is the same when it is written again.
///
/// # Panics
/// When that does not hold.
pub fn record(data: &[u8]) {
    let mut input = Input::new(data);
    let key = input.bytes();
    let _ = (key::user_of(key), key::device_of(key), key::id_of(key), key::revoked_of(key));
    match Table::of(key) {
        Some(table) => value_of(table, key, input.rest()),
        None => assert!(key.first().is_none_or(|tag| *tag == 0 || *tag > Table::Roster as u8)),
    }
}

fn value_of(table: Table, key: &[u8], value: &[u8]) {
    match table {
        Table::Archive => same::<Archived>(key, value),
        Table::Index | Table::FanOut => {
            same::<chatcluster_protocol::id::ConversationId>(key, value);
        }
        Table::Participation | Table::Order | Table::Moved => same::<Id>(key, value),
        Table::Reference => same::<ReferenceRecord>(key, value),
        Table::Registry => same::<Registry>(key, value),
        Table::Inbox => same::<InboxEntry>(key, value),
        Table::Receipt => same::<Mark>(key, value),
        Table::Delivered => same::<Delivered>(key, value),
        Table::Departure => same::<Departure>(key, value),
        Table::Revocation | Table::RevocationFeed => same::<Revoked>(key, value),
        Table::ReadMark => same::<Told>(key, value),
        Table::Group => same::<Group>(key, value),
        Table::Privacy => same::<Privacy>(key, value),
        Table::Roster => same::<Roster>(key, value),
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(key: &[u8], value: &[u8]) {
    let Ok(Some(read)) = decode::<T>(key, value) else { return };
    let written = encode(&read);
    assert!(!is_tombstone(&written));
    assert_eq!(decode(key, &written), Ok(Some(read)));
}

/// Three replicas and what each has under one key: they say the same in whatever order they are heard, and
/// what two of them say is not changed by hearing one of them again.
///
/// # Panics
/// When that does not hold.
pub fn merged(data: &[u8]) {
    let mut input = Input::new(data);
    let key = vec![input.byte()];
    let [a, b, c] = [input.bytes(), input.bytes(), input.bytes()];
    let say = |values: &[&[u8]]| {
        let one =
            |value: &&[u8]| Rows { rows: vec![(key.clone(), value.to_vec())], truncated: false };
        let page = merge(values.iter().map(one).collect(), false)?;
        Ok::<_, messages_core::record::Corrupt>(
            page.rows.into_iter().next().map(|(_, value)| value),
        )
    };
    // A damaged record is one whoever is heard first; which of two is told of does not matter.
    let (ab, ba) = (say(&[a, b]), say(&[b, a]));
    assert_eq!(ab.is_ok(), ba.is_ok(), "{ab:?}, and the other way round {ba:?}");
    let Ok(ab) = ab else { return };
    assert_eq!(Ok(&ab), ba.as_ref(), "the other way round");
    assert_eq!(say(&[a, b, a]), Ok(ab.clone()), "one of them again");
    if let (Ok(abc), Ok(cba)) = (say(&[a, b, c]), say(&[c, b, a])) {
        assert_eq!(abc, cba, "three of them");
    }
}
