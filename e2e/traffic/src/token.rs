//! Users' tokens, made with the key that the gateways check them with.

use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use chatcluster_client::{TokenSource, protocol::id::UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// Longer than a session of the traffic lives; a new session gets a new token.
const SECONDS: u64 = 24 * 3600;

/// Makes tokens.
#[derive(Debug, Clone)]
pub(crate) struct Mint {
    /// The file with the secret, read for each token, so that a new one is used at once.
    pub(crate) key: PathBuf,
    pub(crate) audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

impl Mint {
    /// A token of this user for each connection.
    pub(crate) fn source(&self, user: &UserId) -> TokenSource {
        let (mint, user) = (self.clone(), user.clone());
        TokenSource::from_fn(move || std::future::ready(mint.token(&user)))
    }

    fn token(&self, user: &UserId) -> Result<String, String> {
        let path = self.key.display();
        let key = fs::read(&self.key).map_err(|error| format!("--jwt-key {path}: {error}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims { sub: user.as_str(), aud: &self.audience, exp: now + SECONDS };
        let (header, key) = (Header::new(Algorithm::HS256), EncodingKey::from_secret(&key));
        jsonwebtoken::encode(&header, &claims, &key)
            .map_err(|error| format!("sign a token with {path}: {error}"))
    }
}
