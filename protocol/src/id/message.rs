//! Message ids: UUIDv7 whose time and counter come from a hybrid clock, and whose low 62 bits are the
//! message's identity.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::{Identity, clock::Stamp};
use crate::Millis;

/// A message's id. Ids sort by time; in one conversation those of one sender sort in the order sent.
///
/// ```text
/// | 48 bits: milliseconds | 4: version 7 | 12: counter | 2: variant | 62: identity |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Below every id.
    pub const MIN: Self = Self(Uuid::nil());
    /// Above every id.
    pub const MAX: Self = Self(Uuid::max());

    /// An id of its parts.
    pub fn new(stamp: Stamp, identity: Identity) -> Self {
        let high = (stamp.millis() << 16) | 0x7000 | u64::from(stamp.counter());
        let low = (0b10 << 62) | identity.bits();
        Self(Uuid::from_u64_pair(high, low))
    }

    /// The lowest id of a millisecond: every id made at or after `millis` is at or above it.
    pub fn floor(millis: Millis) -> Self {
        Self::new(Stamp::new(millis, 0), Identity::from_bits(0))
    }

    /// When the message was made, as the gateway's clock had it.
    pub fn millis(self) -> Millis {
        self.stamp().millis()
    }

    /// What two copies of one send share.
    pub fn identity(self) -> Identity {
        Identity::from_bits(self.0.as_u64_pair().1)
    }

    /// Time and counter.
    pub fn stamp(self) -> Stamp {
        let high = self.0.as_u64_pair().0;
        Stamp::new(high >> 16, (high & 0xfff) as u16)
    }

    /// The 16 bytes, which sort as the ids do.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// From the 16 bytes of [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidMessageId> {
        let uuid = Uuid::from_bytes(bytes);
        let valid = uuid.get_version_num() == 7 && uuid.as_bytes()[8] >> 6 == 0b10;
        if valid { Ok(Self(uuid)) } else { Err(InvalidMessageId) }
    }
}

/// The text or the bytes are not a UUID of version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id must be a UUID of version 7")]
pub struct InvalidMessageId;

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        // Only the hyphenated form, so that equal ids are equal texts but for their case.
        let uuid = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
        Self::from_bytes(uuid.ok_or(InvalidMessageId)?.into_bytes())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for MessageId {
    fn schema_name() -> Cow<'static, str> {
        "MessageId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "uuid",
            "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$",
            "description": "A UUID of version 7. Ids sort by time; the low 62 bits are the message's identity: \
                            two ids that share them are copies of one message.",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_keeps_its_parts(millis in 0u64..1 << 48, counter in 0u16..1 << 12, bits: u64) {
            let id = MessageId::new(Stamp::new(millis, counter), Identity::from_bits(bits));
            prop_assert_eq!(id.millis(), millis);
            prop_assert_eq!(id.stamp(), Stamp::new(millis, counter));
            prop_assert_eq!(id.identity(), Identity::from_bits(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(MessageId::from_bytes(id.to_bytes()), Ok(id));
            prop_assert!(MessageId::floor(millis) <= id && id < MessageId::floor(millis + 1));
        }
    }

    #[test]
    fn only_version_7_in_its_usual_form_is_an_id() {
        for wrong in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "{0193a2c4-7b10-7abc-8def-0123456789ab}",
            "0193a2c47b107abc8def0123456789ab",
        ] {
            assert_eq!(wrong.parse::<MessageId>(), Err(InvalidMessageId), "{wrong}");
        }
        assert!("0193a2c4-7b10-7abc-8def-0123456789ab".parse::<MessageId>().is_ok());
    }
}
