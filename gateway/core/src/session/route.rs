//! The session's route at the manager: claimed, kept, claimed again, given up.

use std::time::Duration;

use chatcluster_protocol::{
    client::CloseCode,
    planted::{Bug, planted},
};

use super::{Claimed, Effect, Env, Opening, Reclaimed, Session, State, Touched};
use crate::{Away, Incarnation, Route};

/// How often a held route is looked at, which also keeps it from expiring.
const TOUCH: Duration = Duration::from_secs(5 * 60);

/// When a claimed route is looked at first. By then the manager has carried out, or will never, what
/// another gateway asked for on behalf of an earlier connection that the client has given up.
const FIRST_TOUCH: Duration = Duration::from_secs(30);

/// How soon a claim or a touch that failed is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// What the manager is known to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// Nothing: there was no claim, or the session has ended.
    Nothing,
    /// A claim has no answer yet; it names this incarnation of the gateway.
    Claiming(Option<Incarnation>),
    /// The claim failed; it is tried again at this time. Until then probes find what waits.
    Unclaimed(Duration),
    /// The route; it is looked at again at this time.
    Held(Duration),
    /// A look at the route has no answer yet.
    Touching,
}

impl Session {
    pub(super) fn claim(&mut self, last_epoch: Option<u64>, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        self.holding = Holding::Claiming(env.own.last().copied());
        env.effects.push(Effect::Claim { device, last_epoch });
    }

    /// Claims the route again, then reads the inbox (rule 2). A client that has been silent for a
    /// heartbeat waits until it is heard: a dead connection must not take the device from a live one.
    pub(super) fn reassert(&mut self, env: &mut Env<'_>) {
        let silent = env.now.monotonic.saturating_sub(self.heard) > env.heartbeat;
        self.reassert_due = match self.holding {
            Holding::Nothing => false,
            Holding::Claiming(_) | Holding::Touching => true,
            Holding::Unclaimed(_) | Holding::Held(_) if silent => true,
            Holding::Unclaimed(_) | Holding::Held(_) => {
                self.reclaim(env);
                false
            }
        };
    }

    /// Claims the route again, unless the device has moved in the meantime.
    fn reclaim(&mut self, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        self.holding = Holding::Claiming(env.own.last().copied());
        env.effects.push(Effect::Reclaim { device, epoch: self.epoch });
    }

    pub(super) fn touch(&mut self, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        self.holding = Holding::Touching;
        env.effects.push(Effect::Touch { device, epoch: self.epoch });
    }

    pub(super) fn touched(&mut self, result: Result<Touched, Away>, env: &mut Env<'_>) {
        if self.holding != Holding::Touching {
            return;
        }
        let now = env.now.monotonic;
        match result {
            Ok(Touched::Replaced(route)) if self.is_newer(&route, env) => {
                return self.yield_route(env);
            }
            Ok(Touched::Held) => self.holding = Holding::Held(now + TOUCH),
            Ok(_) => return self.reclaim(env),
            Err(Away) => self.holding = Holding::Held(now + RETRY),
        }
        self.reassert_if_due(env);
    }

    /// The answer to the opening's claim.
    pub(super) fn claimed(&mut self, result: Result<Claimed, Away>, env: &mut Env<'_>) {
        let Holding::Claiming(asked) = self.holding else { return };
        let State::AwaitHello(Opening::Claiming(greeting)) = &self.state else {
            return self.claimed_too_late(result.ok(), env);
        };
        let (id, last) = (greeting.id, greeting.last_epoch);
        match result {
            Ok(claimed) => self.take_route(claimed, asked, env),
            Err(Away) => {
                self.epoch = env.now.wall.max(last.map_or(0, |last| last + 1));
                self.unclaimed(env);
            }
        }
        self.welcome(id, env);
        self.reassert_if_due(env);
    }

    pub(super) fn reclaimed(&mut self, result: Result<Reclaimed, Away>, env: &mut Env<'_>) {
        let Holding::Claiming(asked) = self.holding else { return };
        if let State::Closing = self.state {
            let taken = match result {
                Ok(Reclaimed::Claimed(claimed)) => Some(claimed),
                Ok(Reclaimed::Replaced(_)) | Err(Away) => None,
            };
            return self.claimed_too_late(taken, env);
        }
        match result {
            Ok(Reclaimed::Claimed(claimed)) => {
                self.take_route(claimed, asked, env);
                if !planted(Bug::ReassertWithoutRead) {
                    self.read_again(env);
                }
            }
            Ok(Reclaimed::Replaced(route)) if self.is_own(&route, env) => {
                // A claim whose answer was lost. It may be of a former incarnation.
                self.epoch = route.epoch;
                return self.reclaim(env);
            }
            Ok(Reclaimed::Replaced(_)) => {
                self.holding = Holding::Nothing;
                return self.yield_route(env);
            }
            // Should it have been made after all, the next one finds it. Probes do until then.
            Err(Away) => self.unclaimed(env),
        }
        self.reassert_if_due(env);
    }

    /// The route is this session's. Who had it before is evicted once the client is known to be here:
    /// a claim may be carried out after its client has left for the very connection that it displaces.
    fn take_route(&mut self, claimed: Claimed, asked: Option<Incarnation>, env: &mut Env<'_>) {
        let Claimed { epoch, previous } = claimed;
        self.epoch = epoch;
        // The gateway's sessions have been told to reassert; this one may not have been among them.
        self.reassert_due |= asked.as_ref() != env.own.last();
        self.holding = Holding::Held(env.now.monotonic + FIRST_TOUCH);
        self.hold(true, env);
        if let Some(previous) = previous.filter(|previous| !self.is_own(previous, env)) {
            self.displaced = Some(Box::new(previous));
            self.ping(env);
            if planted(Bug::EvictionUnproven) {
                self.displace(env);
            }
        }
    }

    /// The client has answered a ping that followed the claim.
    pub(super) fn displace(&mut self, env: &mut Env<'_>) {
        if let (Some(device), Some(previous)) = (&self.device, self.displaced.take()) {
            env.effects.push(Effect::Displace { device: device.clone(), previous: *previous });
        }
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
    fn claimed_too_late(&mut self, claimed: Option<Claimed>, env: &mut Env<'_>) {
        self.holding = Holding::Nothing;
        if let (Some(Claimed { epoch, .. }), Some(device)) = (claimed, self.device.clone()) {
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
