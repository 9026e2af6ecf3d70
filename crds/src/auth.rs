//! `spec.auth`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may connect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Auth {
    /// What a user's token must say, and the key that it is signed with.
    pub jwt: Jwt,
}

/// What a user's token must say, beside `sub` (the user) and `exp`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.algorithm == 'HS256' || has(self.secretRef)",
    "message": "secretRef must name the Secret with the public key of this algorithm: only HS256 has a key made for it",
}]))]
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
    /// How tokens are signed. Default HS256.
    pub algorithm: Algorithm,
    /// A Secret of yours with the key that verifies tokens: for HS256 the secret itself, of at least 32
    /// bytes, else a public key in PEM. It is read again when it changes. Default for HS256: a key is made
    /// and kept in the Secret `NAME-jwt`, under `key`. Ignored locally, where a key is made.
    #[schemars(with = "SecretKeyRef")] // never null: rules ask whether it is there
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever can verify can sign.
    #[default]
    HS256,
    /// RSA with SHA-256.
    RS256,
    /// ECDSA on P-256.
    ES256,
}

/// A key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: "chatcluster".into(),
            algorithm: Algorithm::default(),
            secret_ref: None,
        }
    }
}
