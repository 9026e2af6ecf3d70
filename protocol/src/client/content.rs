//! What a message says. The servers do not look inside, so clients may encrypt it end to end.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits;

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// A media type, `text/plain` where none is named.
    #[serde(rename = "type", default)]
    pub kind: ContentType,
    /// The text, or anything else as text (base64, ciphertext): at most 32 KiB of UTF-8.
    pub body: Body,
}

impl Content {
    /// Plain text.
    pub fn text(body: impl Into<String>) -> Result<Self, InvalidContent> {
        Ok(Self { kind: ContentType::default(), body: Body::new(body)? })
    }
}

/// Why content was refused; the text says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContent {
    /// Not a media type.
    #[error(
        "must be a media type such as text/plain, at most 64 characters of [a-z0-9.+_-] around one /"
    )]
    Type,
    /// Too long.
    #[error("must be at most 32768 bytes of UTF-8")]
    Body,
}

/// A media type without parameters, in lower case, at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentType(Cow<'static, str>);

impl ContentType {
    pub(super) const MAX: usize = 64;

    /// Checks the form.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidContent> {
        let text = text.into();
        let part = |part: &str| {
            let valid =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".+_-".contains(&b);
            !part.is_empty() && part.bytes().all(valid)
        };
        let valid = text.split_once('/').is_some_and(|(kind, sub)| part(kind) && part(sub));
        if valid && text.len() <= Self::MAX {
            Ok(Self(text.into()))
        } else {
            Err(InvalidContent::Type)
        }
    }

    /// The media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ContentType {
    fn default() -> Self {
        Self(Cow::Borrowed("text/plain"))
    }
}

/// The body of a message: at most 32 KiB of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Body(String);

impl Body {
    /// Checks the length.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidContent> {
        let text = text.into();
        if text.len() <= limits::BODY { Ok(Self(text)) } else { Err(InvalidContent::Body) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bodies are private: logs show their length only.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl Serialize for ContentType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for ContentType {
    fn schema_name() -> Cow<'static, str> {
        "ContentType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": Self::MAX,
            "pattern": "^[a-z0-9.+_-]+/[a-z0-9.+_-]+$",
        })
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Body {
    fn schema_name() -> Cow<'static, str> {
        "Body".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": limits::BODY })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_lower_case_media_type() {
        assert!(ContentType::new("application/vnd.example+json").is_ok());
        for wrong in ["", "text", "text/", "/plain", "Text/plain", "text/plain; a=b", "a/b/c"] {
            assert_eq!(ContentType::new(wrong), Err(InvalidContent::Type), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_counted_in_bytes() {
        assert!(Body::new("é".repeat(limits::BODY / 2)).is_ok());
        assert_eq!(Body::new("é".repeat(limits::BODY / 2 + 1)), Err(InvalidContent::Body));
    }
}
