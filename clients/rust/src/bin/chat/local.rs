//! A local cluster, as its data folder describes it.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chatcluster_client::protocol::id::UserId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What `endpoints.yaml` in the data folder says.
#[derive(Debug, Deserialize)]
pub(crate) struct Local {
    pub(crate) gateways: Vec<Gateway>,
    /// PEM file with the cluster's CA; a relative path starts at the data folder.
    ca: PathBuf,
    #[serde(default, rename = "userTokens")]
    user_tokens: UserTokens,
    #[serde(skip)]
    data: PathBuf,
}

/// What the tokens of users must say.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct UserTokens {
    audience: String,
    issuer: Option<String>,
}

impl Default for UserTokens {
    fn default() -> Self {
        Self { audience: "chatcluster".into(), issuer: None }
    }
}

/// One gateway.
#[derive(Debug, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) url: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    iat: u64,
    exp: u64,
}

impl Local {
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let file = data.join("endpoints.yaml");
        let text = std::fs::read_to_string(&file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Usage(format!(
                "no local cluster in {}: start one with `chatcluster-operator local FILE`, name its \
                 folder with --data DIR, or name a gateway elsewhere with --url URL",
                data.display()
            )),
            _ => Failure::Usage(format!("{}: {error}", file.display())),
        })?;
        let local: Self = serde_yaml::from_str(&text)
            .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
        let data = data.canonicalize().map_err(Failure::io(data.display()))?;
        Ok(Self { data, ..local })
    }

    /// Tells this cluster from others.
    pub(crate) fn scope(&self) -> String {
        self.data.display().to_string()
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.data.join(&self.ca)
    }

    /// The gateways' URLs, the one of this name first.
    pub(crate) fn endpoints(&self, first: Option<&str>) -> Result<Vec<String>, Failure> {
        let mut endpoints: Vec<_> =
            self.gateways.iter().map(|gateway| gateway.url.clone()).collect();
        if endpoints.is_empty() {
            return Err(Failure::Usage("endpoints.yaml names no gateway".into()));
        }
        let start = match first {
            None => rand::random_range(0..endpoints.len()),
            Some(name) => {
                let known: Vec<_> =
                    self.gateways.iter().map(|gateway| gateway.name.as_str()).collect();
                known.iter().position(|known| *known == name).ok_or_else(|| {
                    Failure::Usage(format!(
                        "--gateway: there is no {name:?}; there are {}",
                        known.join(", ")
                    ))
                })?
            }
        };
        endpoints.rotate_left(start);
        Ok(endpoints)
    }

    /// Makes tokens with the cluster's own key.
    pub(crate) fn mint(&self) -> Mint {
        Mint { key: self.data.join("keys/user-token.key"), says: self.user_tokens.clone() }
    }
}

/// The key that signs user tokens. It is read for each token, so that a new key is used at once.
#[derive(Debug, Clone)]
pub(crate) struct Mint {
    key: PathBuf,
    says: UserTokens,
}

impl Mint {
    /// With a key of any cluster.
    pub(crate) fn new(key: PathBuf, audience: String, issuer: Option<String>) -> Self {
        Self { key, says: UserTokens { audience, issuer } }
    }

    pub(crate) fn token(&self, user: &UserId, valid: Duration) -> Result<String, String> {
        let path = self.key.display();
        let key = std::fs::read(&self.key).map_err(|error| format!("{path}: {error}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let exp = now.saturating_add(valid.as_secs());
        let UserTokens { audience, issuer } = &self.says;
        let (aud, iss) = (audience.as_str(), issuer.as_deref());
        let claims = Claims { sub: user.as_str(), aud, iss, iat: now, exp };
        jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &EncodingKey::from_secret(&key),
        )
        .map_err(|error| format!("signing a token with {path}: {error}"))
    }
}
