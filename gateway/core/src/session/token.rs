//! The token by which a session lasts, and the fresh one that may follow it.

use std::time::Duration;

use chatcluster_protocol::{
    Millis,
    client::{Error, ErrorCode, Expiring, Refresh, Refreshed, ServerFrame},
    id::UserId,
    limits::EXPIRING_BEFORE,
    planted::{Bug, planted},
};

use super::{Effect, Env, Opening, Session, State, Verdict};
use crate::Now;

/// A token that was verified. Its end is measured on the monotonic clock from then on, whatever the wall
/// clock does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// Its `exp`, as clients are told it.
    pub(super) says: Millis,
    expires: Duration,
    /// When the client is told that it expires soon; `None` once it was.
    tell: Option<Duration>,
}

/// Whose token it is, for how long, and when it was issued; or the error to answer with.
pub(super) type Verified = Result<(UserId, Option<Token>, Millis), Error>;

impl Token {
    fn new(says: Millis, now: Now) -> Self {
        let left = Duration::from_millis(says.saturating_sub(now.wall));
        let expires = now.monotonic + left;
        let before = Duration::from_millis(EXPIRING_BEFORE).min(left / 2);
        Self { says, expires, tell: Some(expires - before) }
    }

    pub(super) fn has_expired(&self, now: Duration) -> bool {
        self.expires <= now
    }

    /// When something is due; a client is told nothing before its welcome.
    pub(super) fn deadline(&self, welcomed: bool) -> Duration {
        self.tell.filter(|_| welcomed).unwrap_or(self.expires)
    }
}

impl Session {
    /// What became of the token in `hello` or in a `refresh`: at most one is being verified.
    pub(super) fn verified(&mut self, verdict: Verdict, env: &mut Env<'_>) {
        let verified = judge(verdict, env.now);
        match self.state {
            State::AwaitHello(Opening::Verifying(_)) => self.introduced(verified, env),
            State::CatchingUp(_) | State::Live => self.refreshed(verified, env),
            State::AwaitHello(_) | State::Closing => {}
        }
    }

    pub(super) fn refresh(&mut self, Refresh { id, token }: Refresh, env: &mut Env<'_>) {
        if self.refreshing.is_some() {
            let text = "at most one refresh may be without an answer";
            return self.too_many(id, text, env);
        }
        self.refreshing = Some(id);
        env.effects.push(Effect::Verify { token });
    }

    /// A token that is refused changes nothing: its error ends no session.
    fn refreshed(&mut self, verified: Verified, env: &mut Env<'_>) {
        let Some(id) = self.refreshing.take() else { return };
        let good = verified.and_then(|(user, token, issued)| {
            self.own(&user)?;
            if !planted(Bug::RefreshedByRevoked) {
                self.not_revoked(issued)?;
            }
            Ok((token, issued))
        });
        let frame = match good {
            Ok((token, issued)) => {
                (self.token, self.issued) = (token, self.issued.min(issued));
                ServerFrame::Refreshed(Refreshed { id, expires: token.map(|token| token.says) })
            }
            Err(error) => {
                ServerFrame::Error(Error { id: Some(id), field: Some("token".into()), ..error })
            }
        };
        self.write(&frame, env);
    }

    fn own(&self, user: &UserId) -> Result<(), Error> {
        if self.device.as_ref().is_some_and(|device| device.user == *user) {
            return Ok(());
        }
        let text = "the token is of another user; open another connection for them";
        Err(Error::new(ErrorCode::BadToken, text))
    }

    /// Tokens have been revoked: what the session was opened or renewed by may be one of them.
    pub(super) fn revoked(&mut self, before: Millis, env: &mut Env<'_>) {
        if self.device.is_none() || matches!(self.state, State::Closing) {
            return;
        }
        if planted(Bug::OpeningNotRevoked)
            && matches!(self.state, State::AwaitHello(Opening::Claiming(_)))
        {
            return;
        }
        self.revoked_before = self.revoked_before.max(before);
        if let Err(error) = self.not_revoked(self.issued) {
            let id = match &self.state {
                State::AwaitHello(Opening::Registering(hello) | Opening::Claiming(hello)) => {
                    Some(hello.id)
                }
                _ => None,
            };
            self.refuse(Error { id, ..error }, env);
        }
    }

    fn not_revoked(&self, issued: Millis) -> Result<(), Error> {
        if issued >= self.revoked_before {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Revoked, "the token was revoked; get a new one"))
    }

    /// Tells a welcomed client, once, that its token expires soon.
    pub(super) fn tell_expiring(&mut self, env: &mut Env<'_>) {
        let Some(token) = &mut self.token else { return };
        if token.tell.take_if(|tell| *tell <= env.now.monotonic).is_some() {
            let expires = token.says;
            self.write(&ServerFrame::Expiring(Expiring { expires }), env);
        }
    }
}

fn judge(verdict: Verdict, now: Now) -> Verified {
    match verdict {
        Verdict::Valid { user, expires, issued } if expires.is_none_or(|at| at > now.wall) => {
            Ok((user, expires.map(|says| Token::new(says, now)), issued.unwrap_or_default()))
        }
        Verdict::Valid { .. } | Verdict::Expired => {
            let text = "the token has expired; get a new one";
            Err(Error::new(ErrorCode::TokenExpired, text))
        }
        Verdict::Bad(text) => Err(Error::new(ErrorCode::BadToken, text)),
    }
}
