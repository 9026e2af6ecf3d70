//! What a session does because time has passed.

use std::time::Duration;

use chatcluster_protocol::client::{CloseCode, ErrorCode};

use super::{Effect, Env, Opening, Session, State, catchup::Step, route::Holding};

/// How long a client may take to answer a ping.
const PONG_WITHIN: Duration = Duration::from_secs(10);

impl Session {
    pub(super) fn tick(&mut self, env: &mut Env<'_>) {
        let now = env.now.monotonic;
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if let State::Closing = self.state {
            return;
        }
        if let State::AwaitHello(Opening::Hello(within)) = &self.state {
            if *within <= now {
                self.fail(ErrorCode::HelloTimeout, "hello must come within 10 s", env);
            }
            return;
        }
        if self.token.as_ref().is_some_and(|token| token.has_expired(now)) {
            return self.fail(ErrorCode::TokenExpired, "the token has expired", env);
        }
        if due(self.drained) {
            return self.close(CloseCode::Draining, env);
        }
        if self.is_welcomed() {
            self.tell_expiring(env);
        }
        if due(self.pinged.map(|pinged| pinged + PONG_WITHIN)) {
            return self.close(CloseCode::HeartbeatMissed, env);
        }
        if self.pinged.is_none() && self.heard + env.heartbeat <= now {
            self.ping(env);
        }
        match self.holding {
            Holding::Unclaimed(at) if due(Some(at)) => self.reassert(env),
            Holding::Held(at) if due(Some(at)) => self.touch(env),
            _ => {}
        }
        let reading = matches!(self.state, State::CatchingUp(_));
        if let Some(acks) = &mut self.acks {
            acks.forget(now, reading);
            if acks.is_empty() {
                self.acks = None;
            }
        }
        self.outbox.tick(now);
        self.typing.forget(now);
        self.call_acks(env);
        self.advance(env);
    }

    /// Past `welcome`, and not at its end.
    fn is_welcomed(&self) -> bool {
        matches!(self.state, State::CatchingUp(_) | State::Live)
    }

    /// Asks the client whether it is there.
    pub(super) fn ping(&mut self, env: &mut Env<'_>) {
        self.pinged = Some(env.now.monotonic);
        env.effects.push(Effect::Ping);
    }

    pub(super) fn next_deadline(&self, heartbeat: Duration) -> Option<Duration> {
        let page = match &self.state {
            State::Closing => return None,
            State::AwaitHello(Opening::Hello(within)) => return Some(*within),
            State::CatchingUp(catch_up) => match &catch_up.step {
                Step::Retry(_, at) => Some(*at),
                _ => None,
            },
            State::AwaitHello(_) | State::Live => None,
        };
        let route = match self.holding {
            Holding::Unclaimed(at) if !self.reassert_due => Some(at),
            Holding::Held(at) => Some(at),
            _ => None,
        };
        let heard = self.pinged.map_or(self.heard + heartbeat, |pinged| pinged + PONG_WITHIN);
        let acks = self.acks.as_ref().map(|acks| acks.deadline());
        let token = self.token.as_ref().map(|token| token.deadline(self.is_welcomed()));
        let sends = self.outbox.deadline();
        [Some(heard), page, route, acks, sends, token, self.drained].into_iter().flatten().min()
    }
}
