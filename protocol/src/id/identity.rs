//! What makes two copies of a message the same message.

use sha2::{Digest, Sha256};

use super::{ConversationId, DeviceId, Reference, UserId};
use crate::client::ReceiptKind;

/// The low 62 bits of a message id: a hash of sender, device and reference. A send that was stored
/// twice under two ids (a retry that raced its original) still has one identity, so clients show it
/// once and acknowledge every copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Identity(u64);

impl Identity {
    pub(super) const MASK: u64 = (1 << 62) - 1;

    /// The identity of a send.
    pub fn of(sender: &UserId, device: &DeviceId, reference: &Reference) -> Self {
        let mut hash = Sha256::new();
        for part in [sender.as_str(), device.as_str(), reference.as_str()] {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self::cut(hash)
    }

    /// The identity of a receipt: what `user` has received or read in a conversation. A newer receipt replaces
    /// an older one of the same identity.
    pub fn of_receipt(kind: ReceiptKind, user: &UserId, conversation: ConversationId) -> Self {
        let mut hash = Sha256::new();
        // A send starts with the length of its sender, of which the first byte is 0: kinds start at 1.
        hash.update([match kind {
            ReceiptKind::Delivered => 1,
            ReceiptKind::Read => 2,
            ReceiptKind::Other => 255,
        }]);
        hash.update(conversation.to_bytes());
        hash.update(user.as_str().as_bytes());
        Self::cut(hash)
    }

    fn cut(hash: Sha256) -> Self {
        let digest = hash.finalize();
        let mut low = [0; 8];
        low.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(low) & Self::MASK)
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::MASK)
    }

    /// The hash, of which the two highest bits are 0.
    pub const fn bits(self) -> u64 {
        self.0
    }
}
