//! Which types of content are asked for.

use std::{borrow::Cow, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::ContentType;

/// One media type, or all types of a family: `image/png`, `image/*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct MediaRange(String);

/// The text is neither a media type nor a family of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a media type such as image/png, or image/* for all of a family, at most 64 characters"
)]
pub struct InvalidMediaRange;

impl MediaRange {
    /// Checks the form.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidMediaRange> {
        let text = text.into();
        let member = match text.strip_suffix("/*") {
            Some(family) => ContentType::new(format!("{family}/-")),
            None => ContentType::new(&*text),
        };
        member.map(|_| Self(text)).map_err(|_| InvalidMediaRange)
    }

    /// The range as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a type is in it.
    pub fn contains(&self, kind: &ContentType) -> bool {
        match self.0.strip_suffix('*') {
            Some(family) => kind.as_str().starts_with(family),
            None => kind.as_str() == self.0,
        }
    }
}

impl FromStr for MediaRange {
    type Err = InvalidMediaRange;

    fn from_str(text: &str) -> Result<Self, InvalidMediaRange> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for MediaRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for MediaRange {
    fn schema_name() -> Cow<'static, str> {
        "MediaRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": ContentType::MAX,
            "pattern": r"^[a-z0-9.+_-]+/([a-z0-9.+_-]+|\*)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_type_or_a_family() {
        let longest = format!("{}/*", "x".repeat(62));
        for right in ["text/plain", "image/*", "application/vnd.example+json", &longest] {
            assert!(MediaRange::new(right).is_ok(), "{right}");
        }
        let too_long = format!("x{longest}");
        for wrong in ["", "*", "*/*", "image", "image/", "/*", "image/p*", "Image/*", &too_long] {
            assert_eq!(MediaRange::new(wrong), Err(InvalidMediaRange), "{wrong}");
        }
    }

    #[test]
    fn a_family_contains_its_own_types_alone() {
        let contains = |range: &str, kind: &str| {
            MediaRange::new(range).unwrap().contains(&ContentType::new(kind).unwrap())
        };
        assert!(contains("image/*", "image/png"));
        assert!(contains("image/png", "image/png"));
        assert!(!contains("image/*", "images/png"));
        assert!(!contains("image/png", "image/png2"));
    }
}
