//! `chat token`: a token for a user of a local cluster.

use crate::{
    args::{TargetArgs, TokenArgs},
    failure::Failure,
    local::Local,
    text,
};

pub(crate) fn run(target: &TargetArgs, args: &TokenArgs) -> Result<(), Failure> {
    let user = target.user.as_ref();
    let user =
        user.ok_or_else(|| Failure::Usage("for whom? name a user with --user NAME".into()))?;
    if !target.url.is_empty() {
        let text =
            "--url: tokens are made for a local cluster only; elsewhere its owner gives them out";
        return Err(Failure::Usage(text.into()));
    }
    let token = Local::open(&target.data)?.mint().token(user, args.ttl).map_err(Failure::Failed)?;
    text::line(&token).map_err(Failure::io("standard output"))
}
