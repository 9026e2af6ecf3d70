//! Service tokens: a JWT of a backend, signed by HS256 with the key that operator and backends share.
//! The algorithm belongs to the key; what a token's header says never chooses it.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::Deserialize;

use super::{Problem, ProblemCode};

/// Shorter secrets can be guessed.
const KEY_BYTES: usize = 32;

/// How far the clocks of backends may differ, in seconds.
const LEEWAY: u64 = 30;

/// Verifies service tokens.
pub struct ServiceTokens {
    key: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceTokens").finish_non_exhaustive()
    }
}

/// The key of service tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    /// Its file cannot be read.
    #[error("reading the key of service tokens, {path}, failed: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Too short.
    #[error("the key of service tokens has {0} bytes; it must have at least {KEY_BYTES}")]
    Short(usize),
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    scope: String,
}

impl ServiceTokens {
    /// Signed with this secret, for this audience.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(secret: &[u8], audience: &str) -> Result<Self, InvalidKey> {
        if secret.len() < KEY_BYTES {
            return Err(InvalidKey::Short(secret.len()));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.set_audience(&[audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Ok(Self { key: DecodingKey::from_secret(secret), validation })
    }

    /// The same, with the secret in a file, which is all of the file.
    ///
    /// # Errors
    /// Also when the file cannot be read.
    pub fn from_file(path: &Path, audience: &str) -> Result<Self, InvalidKey> {
        let read = |error| InvalidKey::Read { path: path.display().to_string(), error };
        Self::new(&std::fs::read(path).map_err(read)?, audience)
    }

    /// Checks that a request's token has a scope.
    fn allow(&self, headers: &HeaderMap, scope: &'static str) -> Result<(), Problem> {
        let refused = |text: String| Problem::new(ProblemCode::Unauthorized, text);
        let token = bearer(headers).ok_or_else(|| {
            refused("a service token must come as Authorization: Bearer <token>".into())
        })?;
        let claims = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| refused(reason(error.kind())))?
            .claims;
        if claims.scope.split(' ').any(|has| has == scope) {
            return Ok(());
        }
        let text = format!("the service token's scope must contain {scope}");
        Err(Problem { scope: Some(scope), ..Problem::new(ProblemCode::Forbidden, text) })
    }
}

/// The routes so far, of which each asks for a token with this scope. Paths that do not exist ask for none.
pub fn require<S>(routes: Router<S>, tokens: &Arc<ServiceTokens>, scope: &'static str) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.route_layer(middleware::from_fn_with_state((tokens.clone(), scope), check))
}

async fn check(
    State((tokens, scope)): State<(Arc<ServiceTokens>, &'static str)>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match tokens.allow(&headers, scope) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The token of a request that has exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn reason(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::ExpiredSignature => "the service token has expired".into(),
        ErrorKind::ImmatureSignature => "the service token is not valid yet".into(),
        ErrorKind::InvalidAudience => "the service token is for another audience".into(),
        ErrorKind::InvalidSignature => "the service token's signature is wrong".into(),
        ErrorKind::MissingRequiredClaim(claim) => {
            format!("the service token must have the claim {claim}")
        }
        _ => "the service token must be a JWT that is signed by HS256".into(),
    }
}
