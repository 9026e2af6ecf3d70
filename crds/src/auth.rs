//! `spec.auth`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may connect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Auth {
    /// What a user's token must say. The key that signs tokens is generated, for HS256.
    pub jwt: Jwt,
}

/// What a user's token must say, beside `sub` (the user) and `exp`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Jwt {
    /// The `iss` that a token must have. Default: any or none. Set it where one key signs for several
    /// issuers.
    #[schemars(length(min = 1, max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The `aud` that a token must have, so that tokens made for another service open nothing here.
    /// Default chatcluster.
    #[schemars(length(min = 1, max = 256))]
    pub audience: String,
}

impl Default for Jwt {
    fn default() -> Self {
        Self { issuer: None, audience: "chatcluster".into() }
    }
}
