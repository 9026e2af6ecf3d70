//! Names that people and programs choose: users, devices, references. Each is checked once, where
//! it enters, and is valid from then on.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Why a name was refused; the text says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {min} to {max} characters of {alphabet}")]
pub struct InvalidName {
    what: &'static str,
    min: usize,
    max: usize,
    alphabet: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Most characters, which are all ASCII.
            pub const MAX: usize = $max;
            const ALPHABET: &'static str = concat!("[A-Za-z0-9", $extra, "]");

            /// Checks length and alphabet.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                let valid = |b: u8| b.is_ascii_alphanumeric() || $extra.as_bytes().contains(&b);
                if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(valid) {
                    return Err(InvalidName { what: $what, min: 1, max: $max, alphabet: Self::ALPHABET });
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::new(text).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $max,
                    "pattern": concat!("^[A-Za-z0-9", $extra, "]+$"),
                })
            }
        }
    };
}

name!(
    /// A user, named by whoever issues the tokens (the `sub` of the JWT).
    UserId, "a user id", 128, "._:@+-"
);
name!(
    /// One device of a user, named by the client; it has an inbox of its own.
    DeviceId, "a device id", 64, "._:-"
);
name!(
    /// The client's own name for a send. Sending the same reference again never makes a second message.
    Reference, "a reference", 64, "._:-"
);

impl Reference {
    /// The reference of a broadcast's message for one of its recipients: another one for each.
    pub fn of_broadcast(&self, to: &UserId) -> Self {
        // 160 bits, and a prefix that keeps them apart from what backends make up.
        let hash = Sha256::new().chain_update(&*self.0).chain_update([0]).chain_update(&*to.0);
        let digits =
            hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("broadcast:{digits}").into())
    }
}

impl DeviceId {
    /// The name that no other one sorts before.
    pub fn lowest() -> Self {
        Self("-".into())
    }

    /// The device of what backends send for a user. No client may have this name.
    pub fn backend() -> Self {
        Self("backend".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_has_a_reference_for_each_recipient() {
        let of = |reference: &str, to: &str| {
            Reference::new(reference).unwrap().of_broadcast(&UserId::new(to).unwrap())
        };
        let one = of("r", "bob");
        assert_eq!(Reference::new(one.as_str()), Ok(one.clone()), "{one} is a reference");
        assert_eq!(one, of("r", "bob"));
        assert!(one != of("r", "bobby") && one != of("rb", "ob") && one != of("R", "bob"));
    }

    #[test]
    fn names_have_a_length_and_an_alphabet() {
        assert_eq!(UserId::new("alice@example.com").unwrap().as_str(), "alice@example.com");
        assert!(UserId::new("a".repeat(128)).is_ok());
        for wrong in ["", "al ice", "älice", "a/b", "a{b}", &"a".repeat(129)] {
            let error = UserId::new(wrong).unwrap_err().to_string();
            assert_eq!(error, "a user id must be 1 to 128 characters of [A-Za-z0-9._:@+-]");
        }
        assert!(DeviceId::new("phone@home").is_err());
        assert_eq!(DeviceId::new(DeviceId::backend().as_str()), Ok(DeviceId::backend()));
        let names = (0u8..=127).filter_map(|byte| DeviceId::new((byte as char).to_string()).ok());
        assert_eq!(names.min(), Some(DeviceId::lowest()));
    }
}
