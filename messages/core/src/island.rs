//! Which island holds what. A user's registry, inboxes and marks are on the user's island; a
//! conversation's archive, references, order marks and fan-outs are on the conversation's.
//!
//! There is one island now. The slots are laid all the same: a slot's number is in what operators and
//! replicas will agree on, so it never changes.

use chatcluster_protocol::id::{ConversationId, UserId};
use sha2::{Digest, Sha256};

/// Slots that users and conversations fall into.
pub const SLOTS: u16 = 1024;

/// A slot, below [`SLOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

/// An island: a set of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Island(u16);

impl Slot {
    /// The slot of a user: the first two bytes of the name's SHA-256. (FNV-1a leaves most slots empty
    /// for names that differ in their last digits.)
    pub fn of_user(user: &UserId) -> Self {
        let hash = Sha256::digest(user.as_str());
        Self(u16::from_be_bytes([hash[0], hash[1]]) % SLOTS)
    }

    /// The slot of a conversation, whose id is a hash already.
    pub fn of_conversation(conversation: ConversationId) -> Self {
        let bytes = conversation.to_bytes();
        Self(u16::from_be_bytes([bytes[0], bytes[1]]) % SLOTS)
    }
}

/// Which island owns which slot.
#[derive(Debug, Clone, Default)]
pub struct Islands(());

impl Islands {
    /// One island owns all slots.
    pub const fn one() -> Self {
        Self(())
    }

    /// The owner of a slot.
    pub const fn owner(&self, _slot: Slot) -> Island {
        Island(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_spread_over_the_slots_and_stay_where_they_are() {
        let slot = |n: u32| Slot::of_user(&UserId::new(format!("user-{n}")).unwrap());
        let mut filled = vec![0u32; usize::from(SLOTS)];
        for n in 0..100_000 {
            filled[usize::from(slot(n).0)] += 1;
        }
        // About 98 each; a fair spread stays within six standard deviations.
        assert!(filled.iter().all(|n| (38..=158).contains(n)), "{filled:?}");
        assert_eq!(Slot::of_user(&UserId::new("alice").unwrap()), Slot(ALICE));
    }

    /// Computed by another program.
    const ALICE: u16 = 984;
}
