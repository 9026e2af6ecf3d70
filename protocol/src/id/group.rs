//! Groups.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{Builder, Uuid, Variant};

use super::ConversationId;

/// A group, and the conversation in it: a UUID of version 4, made up by the client that creates the group.
/// Conversations of two have version 8, so neither is ever taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Uuid);

impl GroupId {
    /// A new one, out of 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// From the 16 bytes of [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidGroupId> {
        let uuid = Uuid::from_bytes(bytes);
        let valid = uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122;
        if valid { Ok(Self(uuid)) } else { Err(InvalidGroupId) }
    }
}

/// The text or the bytes are not a UUID of version 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a group must be a UUID of version 4")]
pub struct InvalidGroupId;

impl From<GroupId> for ConversationId {
    fn from(group: GroupId) -> Self {
        Self::from_bytes(group.to_bytes())
    }
}

impl ConversationId {
    /// The group whose conversation this is; `None` where it is one of two users.
    pub fn group(self) -> Option<GroupId> {
        GroupId::from_bytes(self.to_bytes()).ok()
    }
}

impl FromStr for GroupId {
    type Err = InvalidGroupId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the hyphenated form, so that equal ids are equal texts but for their case.
        let uuid = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
        Self::from_bytes(uuid.ok_or(InvalidGroupId)?.into_bytes())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for GroupId {
    fn schema_name() -> Cow<'static, str> {
        "GroupId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "uuid",
            "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    #[test]
    fn a_group_is_no_conversation_of_two_and_the_other_way_round() {
        let group = GroupId::from_random([7; 16]);
        assert_eq!(ConversationId::from(group).group(), Some(group));
        let [alice, bob] = ["alice", "bob"].map(|name| UserId::new(name).unwrap());
        assert_eq!(ConversationId::between(&alice, &bob).group(), None);
    }

    #[test]
    fn only_version_4_is_a_group() {
        let text = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b";
        assert_eq!(text.parse::<GroupId>().unwrap().to_string(), text);
        for wrong in [
            "884a4521-52d3-8f04-8cc0-51df8f708aff",
            "019a1b2c-3d4e-7000-9c3f-6a7b8c9d0e1f",
            "0f0f0f0f1e1e4d2d8c3c4b4b4b4b4b4b",
            "0f0f0f0f-1e1e-4d2d-0c3c-4b4b4b4b4b4b",
            "",
        ] {
            assert_eq!(wrong.parse::<GroupId>(), Err(InvalidGroupId), "{wrong}");
        }
    }
}
