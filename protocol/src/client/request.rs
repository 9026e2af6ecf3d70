//! The number by which a client tells the answers to its requests apart.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Chosen by the client for each request; 0 to 2^53 − 1, so that JavaScript reads it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct RequestId(u64);

/// The number is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id must be a whole number from 0 to 9007199254740991")]
pub struct InvalidRequestId;

impl RequestId {
    /// The largest, 2^53 − 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(number: u64) -> Result<Self, InvalidRequestId> {
        if number <= Self::MAX.0 { Ok(Self(number)) } else { Err(InvalidRequestId) }
    }
}

impl JsonSchema for RequestId {
    fn schema_name() -> Cow<'static, str> {
        "RequestId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::MAX.0 })
    }
}
