//! Conversations.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::UserId;

/// A conversation. That of two users is made from both names, so either side knows it without asking; that
/// of a group is the group's id.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ConversationId(#[schemars(with = "String", extend("format" = "uuid"))] Uuid);

impl ConversationId {
    /// The conversation of two users: a UUID of version 8, made from the SHA-256 of both names in
    /// alphabetical order, each with its length (4 bytes, big-endian) in front.
    pub fn between(one: &UserId, other: &UserId) -> Self {
        let mut names = [one.as_str(), other.as_str()];
        names.sort_unstable();
        let mut hash = Sha256::new();
        for name in names {
            hash.update((name.len() as u32).to_be_bytes());
            hash.update(name.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// From the 16 bytes of [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a conversation must be a UUID")]
pub struct InvalidConversationId;

impl FromStr for ConversationId {
    type Err = InvalidConversationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidConversationId)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_name_their_conversation_alike() {
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|n| UserId::new(n).unwrap());
        let conversation = ConversationId::between(&alice, &bob);
        assert_eq!(conversation, ConversationId::between(&bob, &alice));
        assert_ne!(conversation, ConversationId::between(&alice, &carol));
        assert_eq!(conversation.to_string(), "884a4521-52d3-8f04-8cc0-51df8f708aff");
    }
}
