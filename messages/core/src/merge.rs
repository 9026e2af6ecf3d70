//! What the pages of several replicas say together.
//!
//! Rule 13: sets merge by union, registers by their order, and removals win. What is on one replica
//! and absent on the others without a tombstone is a write that has not reached them.
//! Rule 17: a merged page ends at the smallest last key of any truncated page, since behind that key
//! one of the replicas has not been heard.

use std::cmp::Ordering;

use chatcluster_protocol::planted::{Bug, planted};

use crate::{
    group::Group,
    key::{Key, Table},
    record::{
        self, Corrupt, Delivered, Id, Moved, Privacy, ReferenceRecord, ReferenceState, Registry,
        Revoked, Told,
    },
    roster::Roster,
    view::Rows,
};

/// A merged page: what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys and values, in the direction of the scan.
    pub rows: Vec<(Key, Vec<u8>)>,
    /// Where the page ended although there may be more: the scan goes on behind this key. It may be
    /// that of a tombstone, so a page can be empty and not the last.
    pub ended_at: Option<Key>,
}

impl Page {
    /// The value of the first row.
    pub(crate) fn first<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>, Corrupt> {
        match self.rows.first() {
            Some((key, value)) => record::decode(key, value),
            None => Ok(None),
        }
    }
}

/// Merges the pages that replicas gave for one scan.
pub fn merge(pages: Vec<Rows>, reverse: bool) -> Result<Page, Corrupt> {
    let mut page = merge_all(pages, reverse)?;
    page.rows.retain(|(_, value)| !record::is_tombstone(value));
    Ok(page)
}

/// The same with tombstones.
pub(crate) fn merge_all(pages: Vec<Rows>, reverse: bool) -> Result<Page, Corrupt> {
    let order = |a: &Key, b: &Key| if reverse { b.cmp(a) } else { a.cmp(b) };
    let smallest = |a: &Key, b: &Key| {
        if planted(Bug::PageEndsLate) { order(b, a) } else { order(a, b) }
    };
    let ended_at = pages
        .iter()
        .filter(|page| page.truncated)
        .filter_map(|page| page.rows.last().map(|(key, _)| key.clone()))
        .min_by(smallest);
    let inside =
        |key: &Key| ended_at.as_ref().is_none_or(|end| order(key, end) != Ordering::Greater);
    let mut all: Vec<_> = pages.into_iter().flat_map(|page| page.rows).collect();
    all.retain(|(key, _)| inside(key));
    // Each page is in order, which a stable sort makes use of.
    all.sort_by(|(a, _), (b, _)| order(a, b));
    let mut rows: Vec<(Key, Vec<u8>)> = Vec::with_capacity(all.len());
    for (key, value) in all {
        match rows.last_mut().filter(|(last, _)| *last == key) {
            // Most replicas say the same.
            Some((_, other)) if *other == value => {}
            Some((_, other)) => *other = newer(&key, other, &value)?,
            None => rows.push((key, value)),
        }
    }
    Ok(Page { rows, ended_at })
}

/// What two values of one key come to. The order of the two does not matter.
pub(crate) fn newer(key: &[u8], a: &[u8], b: &[u8]) -> Result<Vec<u8>, Corrupt> {
    for (value, other) in [(a, b), (b, a)] {
        if record::is_tombstone(value) {
            let wins = if planted(Bug::RemovalLoses) { other } else { value };
            return Ok(wins.to_vec());
        }
    }
    match Table::of(key) {
        Some(Table::Participation | Table::Order) => both(key, a, b, Id::max),
        Some(Table::Moved) => both(key, a, b, Moved::joined),
        Some(Table::Reference) => both(key, a, b, reference),
        Some(Table::Registry) => both(key, a, b, registry),
        Some(Table::Delivered) => both(key, a, b, delivered),
        Some(Table::ReadMark) => both(key, a, b, Told::further),
        Some(Table::Group) => both(key, a, b, Group::joined),
        Some(Table::Revocation | Table::RevocationFeed) => both(key, a, b, Revoked::max),
        Some(Table::Privacy) => both(key, a, b, Privacy::max),
        Some(Table::Roster) => both(key, a, b, Roster::joined),
        // Written once: the values are equal, or one of them is damaged. Any rule will do that
        // does not depend on the order.
        _ => Ok(a.max(b).to_vec()),
    }
}

fn both<T: serde::Serialize + serde::de::DeserializeOwned>(
    key: &[u8],
    a: &[u8],
    b: &[u8],
    join: impl FnOnce(T, T) -> T,
) -> Result<Vec<u8>, Corrupt> {
    match (record::decode(key, a)?, record::decode(key, b)?) {
        (Some(a), Some(b)) => Ok(record::encode(join(a, b))),
        _ => Err(Corrupt::new(key, "a removal was read as a value")),
    }
}

/// Of two that are complete alike, each may have been told of other devices: all of these have it.
fn reference(mut a: ReferenceRecord, b: ReferenceRecord) -> ReferenceRecord {
    let rank = |record: &ReferenceRecord| {
        (matches!(record.state, ReferenceState::Complete(_)), record.id, record.hash)
    };
    match rank(&a).cmp(&rank(&b)) {
        Ordering::Less => return b,
        Ordering::Greater => return a,
        Ordering::Equal => {}
    }
    if let (ReferenceState::Complete(one), ReferenceState::Complete(other)) =
        (&mut a.state, b.state)
    {
        one.extend(other);
        one.sort_unstable();
        one.dedup();
    }
    a
}

/// Each device by itself: whoever knows of its later coming or going is right.
pub(crate) fn registry(a: Registry, b: Registry) -> Registry {
    let mut joined = a.clone();
    joined.version = a.version.max(b.version);
    for (device, left) in &b.left {
        let known = joined.left.entry(device.clone()).or_insert(*left);
        known.at = known.at.max(left.at);
        known.changes = known.changes.max(left.changes);
    }
    joined.devices.retain(|device, _| a.changes(device) >= b.changes(device));
    for (device, registration) in &b.devices {
        match a.changes(device).cmp(&b.changes(device)) {
            Ordering::Greater => {}
            Ordering::Less => {
                joined.devices.insert(device.clone(), *registration);
            }
            Ordering::Equal => {
                let known = joined.devices.entry(device.clone()).or_insert(*registration);
                known.registered_at = known.registered_at.min(registration.registered_at);
                known.last_seen = known.last_seen.max(registration.last_seen);
            }
        }
    }
    joined
}

fn delivered(mut a: Delivered, b: Delivered) -> Delivered {
    a.told = Told::further_of(a.told, b.told);
    for (device, id) in b.acknowledged {
        let known = a.acknowledged.entry(device).or_insert(id);
        *known = (*known).max(id);
    }
    a
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::view::{MemoryView, Scan, View, ViewMut};

    const TAG: u8 = Table::Inbox as u8;

    /// Three replicas, of which each write reached at least two: what the quorum promises.
    fn islands(writes: &[(u8, bool, u8)]) -> (Vec<MemoryView>, BTreeMap<Key, Vec<u8>>) {
        let mut replicas = vec![MemoryView::with_tombstones(); 3];
        let mut truth = BTreeMap::new();
        for (n, removed, missed) in writes {
            let key = vec![TAG, *n];
            for (at, replica) in replicas.iter_mut().enumerate() {
                if at == usize::from(*missed) {
                    continue;
                }
                let gone = replica.get(&key).unwrap().is_some_and(|v| record::is_tombstone(&v));
                if *removed {
                    replica.remove(&key, 1).unwrap();
                } else if !gone {
                    replica.put(key.clone(), record::encode(n)).unwrap();
                }
            }
            truth.entry(key.clone()).or_insert_with(|| record::encode(n));
            if *removed {
                truth.insert(key, record::tombstone(1));
            }
        }
        truth.retain(|_, value| !record::is_tombstone(value));
        (replicas, truth)
    }

    proptest! {
        /// Rules 13 and 17 together: any two of the three, page by page, give exactly what was
        /// written and not removed, each once, in order.
        #[test]
        fn two_of_three_replicas_read_page_by_page_give_everything_once(
            writes in prop::collection::vec((0u8..30, prop::bool::weighted(0.3), 0u8..4), 0..80),
            asked in prop::sample::select(vec![(0, 1), (0, 2), (1, 2)]),
            rows in 1usize..7,
            reverse: bool,
        ) {
            let (replicas, truth) = islands(&writes);
            let mut scan = Scan { rows, reverse, ..Scan::prefix(vec![TAG], rows) };
            let mut read = Vec::new();
            loop {
                let pages = [asked.0, asked.1].map(|at: usize| replicas[at].scan(&scan).unwrap());
                let page = merge(pages.to_vec(), reverse).unwrap();
                read.extend(page.rows);
                match page.ended_at {
                    Some(end) if reverse => scan.to = end,
                    Some(end) => scan.from = crate::key::behind(&end),
                    None => break,
                }
            }
            let mut wanted: Vec<_> = truth.into_iter().collect();
            if reverse {
                wanted.reverse();
            }
            prop_assert_eq!(read, wanted);
        }
    }

    #[test]
    fn of_two_complete_references_both_have_told_of_devices() {
        use chatcluster_protocol::id::{DeviceId, MessageId, Reference, UserId};

        let alice = UserId::new("alice").unwrap();
        let device = |name: &str| (alice.clone(), DeviceId::new(name).unwrap());
        let complete = |devices: &[&str]| {
            let devices = devices.iter().map(|name| device(name)).collect();
            let state = ReferenceState::Complete(devices);
            record::encode(ReferenceRecord { id: MessageId::floor(5), hash: [0; 16], state })
        };
        let reference = Reference::new("r").unwrap();
        let key = crate::key::reference(&alice, &DeviceId::new("phone").unwrap(), &reference);
        let (a, b) = (complete(&["tablet", "laptop"]), complete(&["tablet", "watch"]));
        let both = complete(&["laptop", "tablet", "watch"]);
        assert_eq!(newer(&key, &a, &b).unwrap(), both);
        assert_eq!(newer(&key, &b, &a).unwrap(), both);
    }

    #[test]
    fn registers_merge_the_same_either_way_round() {
        use chatcluster_protocol::id::{DeviceId, MessageId, UserId};

        use crate::record::{Left, Registration, Told};
        let device = |name: &str| DeviceId::new(name).unwrap();
        let seen = |at| Registration { registered_at: at, last_seen: at };
        let one = |version, devices: &[(&str, u64)], left: &[(&str, u64)]| Registry {
            version,
            devices: devices.iter().map(|(name, at)| (device(name), seen(*at))).collect(),
            left: left
                .iter()
                .map(|(name, n)| (device(name), Left { changes: *n, at: *n }))
                .collect(),
        };
        let key = crate::key::registry(&UserId::new("alice").unwrap());
        let merged = |a: &Registry, b: &Registry| {
            let (a, b) = (record::encode(a), record::encode(b));
            let ab = newer(&key, &a, &b).unwrap();
            assert_eq!(ab, newer(&key, &b, &a).unwrap());
            record::decode::<Registry>(&key, &ab).unwrap().unwrap()
        };
        let a = one(2, &[("phone", 5), ("tablet", 9)], &[]);
        let b = one(1, &[("laptop", 8), ("phone", 7)], &[]);
        let all = one(2, &[("laptop", 8), ("phone", 7), ("tablet", 9)], &[]);
        let devices = |registry: Registry| {
            let devices = registry.devices.into_iter();
            (registry.version, devices.map(|(d, seen)| (d, seen.last_seen)).collect::<Vec<_>>())
        };
        assert_eq!(devices(merged(&a, &b)), devices(all));
        // One that has left is gone, and one that came back since is here.
        let gone = one(1, &[("laptop", 8)], &[("phone", 2)]);
        assert_eq!(
            devices(merged(&a, &gone)),
            devices(one(2, &[("laptop", 8), ("tablet", 9)], &[]))
        );
        let back = one(1, &[("phone", 6)], &[("phone", 3)]);
        assert_eq!(merged(&gone, &back).devices[&device("phone")], seen(6));
        assert_eq!(merged(&a, &back).devices[&device("phone")], seen(6));
        assert_eq!(merged(&gone, &back).left[&device("phone")], Left { changes: 3, at: 3 });

        let told =
            |millis| Told { receipt: MessageId::floor(millis), up_to: MessageId::floor(millis) };
        let one = |device: DeviceId, millis| Delivered {
            told: Some(told(millis)),
            acknowledged: [(device, Id(MessageId::floor(millis)))].into(),
        };
        let merged = delivered(one(device("phone"), 4), one(device("laptop"), 3));
        assert_eq!(merged, delivered(one(device("laptop"), 3), one(device("phone"), 4)));
        assert_eq!((merged.told, merged.acknowledged.len()), (Some(told(4)), 2));
    }
}
