//! The session's route at the manager: claimed, kept, claimed again, given up.

use std::time::Duration;

use chatcluster_protocol::client::CloseCode;

use super::{Claimed, Effect, Env, Opening, Session, State, Touched};
use crate::{Away, Route};

/// How often a held route is looked at, which also keeps it from expiring.
const TOUCH: Duration = Duration::from_secs(5 * 60);

/// How soon a claim or a touch that failed is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// What the manager is known to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// Nothing: there was no claim, or the session has ended.
    Nothing,
    /// A claim has no answer yet.
    Claiming,
    /// The claim failed; it is tried again at this time. Until then probes find what waits.
    Unclaimed(Duration),
    /// The route; it is looked at again at this time.
    Held(Duration),
    /// A look at the route has no answer yet.
    Touching {
        /// The route is claimed again if nobody else has it.
        reassert: bool,
    },
}

impl Session {
    pub(super) fn claim(&mut self, last_epoch: Option<u64>, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        self.holding = Holding::Claiming;
        env.effects.push(Effect::Claim { device, last_epoch });
    }

    /// Claims the route again, then reads the inbox (rule 2). A client that has been silent for a
    /// heartbeat waits until it is heard: a dead connection must not take the device from a live one.
    ///
    /// The route is looked at first, since a claim always wins: where the device has moved in the
    /// meantime, this session yields.
    pub(super) fn reassert(&mut self, env: &mut Env<'_>) {
        let silent = env.now.monotonic.saturating_sub(self.heard) > env.heartbeat;
        self.reassert_due = match self.holding {
            Holding::Nothing => false,
            Holding::Claiming | Holding::Touching { .. } => true,
            Holding::Unclaimed(_) | Holding::Held(_) if silent => true,
            Holding::Unclaimed(_) | Holding::Held(_) => {
                self.touch(true, env);
                false
            }
        };
    }

    pub(super) fn touch(&mut self, reassert: bool, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        self.holding = Holding::Touching { reassert };
        env.effects.push(Effect::Touch { device, epoch: self.epoch });
    }

    pub(super) fn touched(&mut self, result: Result<Touched, Away>, env: &mut Env<'_>) {
        let Holding::Touching { reassert } = self.holding else { return };
        if matches!(self.state, State::Closing) {
            self.holding = Holding::Nothing;
            return;
        }
        let now = env.now.monotonic;
        match result {
            Ok(Touched::Replaced(route)) if self.is_newer(&route, env) => {
                return self.yield_route(env);
            }
            Ok(Touched::Held) if !reassert => self.holding = Holding::Held(now + TOUCH),
            Ok(_) => return self.claim(Some(self.epoch), env),
            Err(Away) if !reassert => self.holding = Holding::Held(now + RETRY),
            Err(Away) => self.unclaimed(env),
        }
        self.reassert_if_due(env);
    }

    pub(super) fn claimed(&mut self, result: Result<Claimed, Away>, env: &mut Env<'_>) {
        if self.holding != Holding::Claiming {
            return;
        }
        let greeting = match &self.state {
            State::AwaitHello(Opening::Claiming(greeting)) => {
                Some((greeting.id, greeting.last_epoch))
            }
            State::Closing => return self.claimed_too_late(result, env),
            _ => None,
        };
        match result {
            Ok(Claimed { epoch, previous }) => {
                let previous = previous.filter(|previous| !self.is_own(previous, env));
                let newer = |previous| self.is_newer(previous, env);
                let moved = greeting.is_none() && previous.as_ref().is_some_and(newer);
                self.epoch = epoch;
                self.holding = Holding::Held(env.now.monotonic + TOUCH);
                if moved {
                    return self.yield_route(env);
                }
                self.hold(true, env);
                if let (Some(device), Some(previous)) = (self.device.clone(), previous) {
                    env.effects.push(Effect::Displace { device, previous });
                }
            }
            Err(Away) => {
                if let Some((_, last)) = greeting {
                    self.epoch = env.now.wall.max(last.map_or(0, |last| last + 1));
                }
                self.unclaimed(env);
            }
        }
        match greeting {
            Some((id, _)) => self.welcome(id, env),
            None => self.read_again(env),
        }
        self.reassert_if_due(env);
    }

    fn unclaimed(&mut self, env: &mut Env<'_>) {
        self.holding = Holding::Unclaimed(env.now.monotonic + RETRY);
        self.hold(false, env);
    }

    fn hold(&self, claimed: bool, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        env.effects.push(Effect::Hold { device, epoch: self.epoch, claimed });
    }

    fn reassert_if_due(&mut self, env: &mut Env<'_>) {
        if self.reassert_due {
            self.reassert(env);
        }
    }

    /// The device is elsewhere, on a connection younger than this one. If it is not, because the
    /// client's other connection is gone as well, the client comes back at once.
    fn yield_route(&mut self, env: &mut Env<'_>) {
        self.close(CloseCode::RouteLost, env);
    }

    /// The session ended while its claim was under way.
    fn claimed_too_late(&mut self, result: Result<Claimed, Away>, env: &mut Env<'_>) {
        self.holding = Holding::Nothing;
        if let (Ok(Claimed { epoch, .. }), Some(device)) = (result, self.device.clone()) {
            env.effects.push(Effect::Release { device, epoch });
        }
    }

    /// An earlier claim of this very session, maybe one whose answer was lost.
    fn is_own(&self, route: &Route, env: &Env<'_>) -> bool {
        route.connection == self.connection && env.own.contains(&route.gateway.incarnation)
    }

    /// Of a connection that the device opened after this one.
    fn is_newer(&self, route: &Route, env: &Env<'_>) -> bool {
        route.epoch > self.epoch && !self.is_own(route, env)
    }
}
