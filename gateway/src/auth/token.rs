//! The checks of a token.

use std::sync::Arc;

use chatcluster_config::Auth;
use chatcluster_protocol::{Millis, client::ErrorCode, id::UserId};
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;

use super::{Keyring, keys::Key};

/// How far the clocks of whoever issues tokens may be ahead of ours, for `nbf`. `exp` gets no such
/// room: a session ends at the moment that its token names.
const SKEW: Millis = 30_000;

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUser {
    /// Who the client is, from `sub`.
    pub user: UserId,
    /// When the token runs out, from `exp`; milliseconds UTC.
    pub expires: Millis,
    /// When the token was issued, from `iat`, if it says so; milliseconds UTC.
    pub issued: Option<Millis>,
}

/// Why a token was refused. The texts are for clients and say nothing about our keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT, or of an algorithm that no key has.
    #[error("the token is not a JWT of an algorithm that is accepted here")]
    Malformed,
    /// No key verifies it.
    #[error("no key of this service verifies the token")]
    Signature,
    /// A claim is missing or has another value than it must; names the claim.
    #[error("the token's {0} {1}")]
    Claim(&'static str, &'static str),
    /// It has expired.
    #[error("the token has expired")]
    Expired,
}

impl TokenError {
    /// The code of the `error` that the client gets.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            _ => ErrorCode::BadToken,
        }
    }
}

/// Verifies tokens against the keys, issuer and audience of the configuration.
pub struct Verifier {
    keys: Arc<Keyring>,
    issuer: Option<String>,
    audience: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<serde_json::Value>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    iss: Option<serde_json::Value>,
    aud: Option<serde_json::Value>,
}

impl Verifier {
    /// A verifier for `auth`, whose keys are in `keys`.
    pub fn new(auth: &Auth, keys: Arc<Keyring>) -> Self {
        Self { keys, issuer: auth.issuer.clone(), audience: auth.audience.clone() }
    }

    /// Who the token is of, if it is good at `now` (milliseconds UTC).
    ///
    /// # Errors
    /// The first thing that is wrong with it. Signature comes before claims, so that a forger learns
    /// nothing about what we expect.
    pub fn verify(&self, token: &str, now: Millis) -> Result<TokenUser, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let keys = self.keys.current();
        let fits = |key: &&Key| {
            key.validation.algorithms.contains(&header.alg)
                && (key.id.is_none() || key.id == header.kid)
        };
        let mut candidates = keys.iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            return Err(TokenError::Malformed);
        }
        let mut last = TokenError::Signature;
        for key in candidates {
            match claims_of(token, key) {
                Ok(claims) => return self.check(claims, now),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn check(&self, claims: Claims, now: Millis) -> Result<TokenUser, TokenError> {
        let expires = millis(claims.exp.ok_or(TokenError::Claim("exp", "is missing"))?);
        if expires <= now {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| millis(nbf) > now + SKEW) {
            return Err(TokenError::Claim("nbf", "is in the future"));
        }
        if !self.issuer.as_deref().is_none_or(|wanted| names(claims.iss.as_ref(), wanted)) {
            return Err(TokenError::Claim("iss", "is not the issuer that is accepted here"));
        }
        self.check_audience(claims.aud.as_ref())?;
        let sub = claims.sub.ok_or(TokenError::Claim("sub", "is missing"))?;
        let sub = sub.as_str().ok_or(TokenError::Claim("sub", "is not a text"))?;
        let user = UserId::new(sub).map_err(|_| {
            TokenError::Claim("sub", "must be 1 to 128 characters of [A-Za-z0-9._:@+-]")
        })?;
        Ok(TokenUser { user, expires, issued: claims.iat.map(millis) })
    }

    /// A token for somebody else is refused also when this service has no name of its own for
    /// audiences (RFC 7519, section 4.1.3).
    fn check_audience(&self, aud: Option<&serde_json::Value>) -> Result<(), TokenError> {
        let good = match (&self.audience, aud) {
            (Some(wanted), aud) => names(aud, wanted),
            (None, Some(_)) => false,
            (None, None) => true,
        };
        if good { Ok(()) } else { Err(TokenError::Claim("aud", "does not name this service")) }
    }
}

fn claims_of(token: &str, key: &Key) -> Result<Claims, TokenError> {
    match jsonwebtoken::decode::<Claims>(token, &key.key, &key.validation) {
        Ok(data) => Ok(data.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
            _ => TokenError::Malformed,
        }),
    }
}

/// Is `wanted` the claim, or in it? `iss` and `aud` may be one text or a list.
fn names(claim: Option<&serde_json::Value>, wanted: &str) -> bool {
    match claim {
        Some(serde_json::Value::Array(list)) => list.iter().any(|v| v.as_str() == Some(wanted)),
        Some(one) => one.as_str() == Some(wanted),
        None => false,
    }
}

/// Seconds of a NumericDate as milliseconds. The cast saturates: nonsense becomes 0 or the far future.
fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0) as Millis
}
