//! Which users live on which shard of the manager, and what a change of masters touches.

use chatcluster_protocol::id::UserId;

/// Hash slots of a Redis Cluster.
pub(crate) const SLOTS: u16 = 16_384;

/// For each range of hash slots (first, last): an opaque name of its master, which changes with it.
pub type Shards = Vec<(u16, u16, String)>;

/// The slots whose master is not the one it was, as a table of all slots.
pub(super) fn changed(old: &Shards, new: &Shards) -> Vec<bool> {
    (0..SLOTS).map(|slot| master(old, slot) != master(new, slot)).collect()
}

fn master(shards: &Shards, slot: u16) -> Option<&str> {
    let mut holding = shards.iter().filter(|(first, last, _)| (*first..=*last).contains(&slot));
    holding.next().map(|(.., name)| name.as_str())
}

/// The slot of a user's routes. Their key has the user as its hash tag, so this is the CRC16 (XMODEM) of
/// the name, as the Redis Cluster specification has it.
pub(super) fn slot(user: &UserId) -> u16 {
    let crc = user.as_str().bytes().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        let slot = |user: &str| slot(&UserId::new(user).unwrap());
        assert_eq!([slot("123456789"), slot("foo"), slot("bar")], [0x31c3, 12_182, 5_061]);
    }

    #[test]
    fn a_change_touches_the_slots_of_that_master_only() {
        let old = vec![(0, 99, "a".to_owned()), (100, 16_383, "b".to_owned())];
        let new = vec![(100, 16_383, "b".to_owned()), (0, 89, "c".to_owned())];
        let touched: Vec<_> = (0..SLOTS).zip(changed(&old, &new)).filter(|(_, t)| *t).collect();
        assert_eq!((touched[0].0, touched.len()), (0, 100));
        assert!(changed(&old, &old).iter().all(|touched| !touched));
    }
}
