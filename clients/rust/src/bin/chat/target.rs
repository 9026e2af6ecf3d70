//! Where to connect and as whom, worked out of the arguments once.

use std::{path::Path, time::Duration};

use chatcluster_client::{TokenSource, Trust, protocol::id::UserId};
use serde::Deserialize;

use crate::{args::TargetArgs, failure::Failure, local::Local};

/// How long a token of our own making lasts. It is replaced before it expires; longer than any clock is
/// wrong.
const OWN_TOKEN: Duration = Duration::from_secs(3600);

/// Where to connect and as whom.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) user: UserId,
    pub(crate) endpoints: Vec<String>,
    pub(crate) trust: Trust,
    pub(crate) token: TokenSource,
    /// Tells this cluster's device state from that of others.
    pub(crate) scope: String,
}

impl Target {
    pub(crate) fn resolve(args: &TargetArgs) -> Result<Self, Failure> {
        if args.url.is_empty() {
            return Self::local(args);
        }
        let (user, token) = given_token(args)?.ok_or_else(|| {
            Failure::Usage("a token is needed: --token-file FILE, or CHATCLUSTER_TOKEN".into())
        })?;
        Ok(Self {
            user,
            trust: args.ca.clone().map_or(Trust::System, Trust::CaFile),
            scope: args.url.join(" "),
            endpoints: args.url.clone(),
            token,
        })
    }

    fn local(args: &TargetArgs) -> Result<Self, Failure> {
        let local = Local::open(&args.data)?;
        // A name is enough here, so a token in the environment, perhaps of another cluster, gives way.
        let own = args.user.clone().filter(|_| args.token_file.is_none());
        let (user, token) = match own {
            Some(user) => {
                let (mint, name) = (local.mint(), user.clone());
                let token =
                    TokenSource::from_fn(move || std::future::ready(mint.token(&name, OWN_TOKEN)));
                (user, token)
            }
            None => given_token(args)?
                .ok_or_else(|| Failure::Usage("say who you are: --user NAME".into()))?,
        };
        Ok(Self {
            user,
            trust: Trust::CaFile(args.ca.clone().unwrap_or_else(|| local.ca())),
            endpoints: local.endpoints(args.gateway.as_deref())?,
            scope: local.scope(),
            token,
        })
    }
}

/// The token that the caller brought, and whose it is.
fn given_token(args: &TargetArgs) -> Result<Option<(UserId, TokenSource)>, Failure> {
    let (token, source) = if let Some(path) = &args.token_file {
        let again = path.clone();
        let source = TokenSource::from_fn(move || std::future::ready(read_token(&again)));
        (read_token(path).map_err(Failure::Usage)?, source)
    } else if let Ok(token) = std::env::var("CHATCLUSTER_TOKEN") {
        let token = token.trim().to_owned();
        (token.clone(), TokenSource::fixed(token))
    } else {
        return Ok(None);
    };
    let user = subject(&token)?;
    match &args.user {
        Some(wanted) if *wanted != user => {
            Err(Failure::Usage(format!("--user: the token is one of {user}, not of {wanted}")))
        }
        _ => Ok(Some((user, source))),
    }
}

fn read_token(path: &Path) -> Result<String, String> {
    let token =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(token.trim().to_owned())
}

#[derive(Deserialize)]
struct Subject {
    sub: UserId,
}

/// Whose token it is. The signature is the gateway's to check; this only finds the device's state.
fn subject(token: &str) -> Result<UserId, Failure> {
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Subject>(token);
    claims
        .map(|claims| claims.sub)
        .map_err(|error| Failure::Usage(format!("the token is not a JWT with a `sub`: {error}")))
}
