//! `chat token`: a token for a user, signed with a local cluster's key or with one that is named.

use crate::{
    args::{TargetArgs, TokenArgs},
    failure::Failure,
    local::{Local, Mint},
    text,
};

pub(crate) fn run(target: &TargetArgs, args: &TokenArgs) -> Result<(), Failure> {
    let user = target.user.as_ref();
    let user =
        user.ok_or_else(|| Failure::Usage("for whom? name a user with --user NAME".into()))?;
    let mint = match &args.key {
        Some(key) => Mint::new(key.clone(), args.audience.clone(), args.issuer.clone()),
        None if !target.url.is_empty() => {
            let text = "--url: a token needs the key of that cluster, --key FILE; its owner has it";
            return Err(Failure::Usage(text.into()));
        }
        None => Local::open(&target.data)?.mint(),
    };
    let token = mint.token(user, args.ttl).map_err(Failure::Failed)?;
    text::line(&token).map_err(Failure::io("standard output"))
}
