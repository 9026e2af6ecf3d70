//! How a gateway empties itself before it stops. One per gateway.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, RngExt};

use crate::{Away, ConnectionId, Gateway, Locals, Now};

/// How often tokens are taken.
const STEP: Duration = Duration::from_secs(1);

/// Clients of one step come back spread over this.
const STEP_JITTER: Duration = STEP;

/// Clients that are left at the end come back spread over this.
const LEFTOVER_JITTER: Duration = Duration::from_secs(30);

/// How long an empty gateway waits for what it has not delivered yet: until the others' leases have been
/// read again, and a little more.
const SETTLE: Duration = Duration::from_secs(10);

/// What the shell does for the drainer, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Refuse new connections from now on.
    Refuse,
    /// Take up to `want` tokens from the fleet-wide budget. Answered by [`Drainer::tokens`].
    TakeTokens {
        /// Most tokens.
        want: u32,
        /// Tokens per second, for the whole fleet.
        rate: u32,
    },
    /// Ask a client to move: [`crate::session::Input::Drain`].
    Drain {
        /// Its connection.
        connection: ConnectionId,
        /// How long the client waits before it opens another.
        after: Duration,
    },
    /// End a session: [`crate::session::Input::DrainNow`].
    DrainNow {
        /// Its connection.
        connection: ConnectionId,
        /// How long the client waits before it opens another.
        after: Duration,
    },
    /// Nothing is left, or time is up: flush, end the lease and exit. Where deliveries are left
    /// ([`crate::Router::pending`]), the lease is to run out instead, which makes the others probe.
    Finished,
}

/// How a gateway stops, from its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long it goes on accepting.
    pub grace: Duration,
    /// Sessions asked to move per second, over the whole fleet.
    pub rate_per_second: u32,
    /// After this it ends whatever is left. Counted from the end of the grace.
    pub timeout: Duration,
}

/// Asks sessions to move within the fleet's budget.
#[derive(Debug)]
pub struct Drainer {
    settings: DrainSettings,
    state: State,
    gateways: u32,
}

#[derive(Debug)]
enum State {
    /// Serving.
    Idle,
    /// Told to stop, and still accepting until then, while load balancers learn of it.
    Grace(Duration),
    /// Refusing new connections, asking sessions to move.
    Draining {
        until: Duration,
        asked: BTreeSet<ConnectionId>,
        /// When tokens are taken next; none while they are being taken.
        step: Option<Duration>,
        /// Since when nobody is connected.
        empty: Option<Duration>,
    },
    /// Empty, or out of time.
    Finished,
}

impl Drainer {
    /// Does nothing until it is started.
    pub fn new(settings: DrainSettings) -> Self {
        Self { settings, state: State::Idle, gateways: 1 }
    }

    /// The gateway was told to stop (SIGTERM). Telling it again changes nothing.
    pub fn start(&mut self, now: Now) {
        if let State::Idle = self.state {
            self.state = State::Grace(now.monotonic + self.settings.grace);
        }
    }

    /// The gateways of the fleet, as last known.
    pub fn gateways(&mut self, alive: &[Gateway]) {
        self.gateways = (alive.len() as u32).max(1);
    }

    /// Answers [`Effect::TakeTokens`].
    pub fn tokens(
        &mut self,
        now: Now,
        taken: Result<u32, Away>,
        locals: &Locals,
        rng: &mut dyn Rng,
        effects: &mut Vec<Effect>,
    ) {
        let State::Draining { asked, step, .. } = &mut self.state else { return };
        // With the manager away each gateway acts as if all of them were draining.
        let share = self.settings.rate_per_second / self.gateways;
        let tokens = taken.unwrap_or(share.max(1)) as usize;
        let unasked = locals.connections().filter(|connection| !asked.contains(connection));
        for connection in unasked.take(tokens).collect::<Vec<_>>() {
            asked.insert(connection);
            effects.push(Effect::Drain { connection, after: jitter(STEP_JITTER, rng) });
        }
        *step = Some(now.monotonic + STEP);
    }

    /// Time has passed. Wanted every second once started. `open` counts all connections, also those
    /// without a session; `pending` the deliveries that have not ended.
    pub fn tick(
        &mut self,
        now: Now,
        open: usize,
        pending: impl Fn() -> usize,
        locals: &Locals,
        rng: &mut dyn Rng,
        effects: &mut Vec<Effect>,
    ) {
        let now = now.monotonic;
        if let State::Grace(until) = self.state
            && until <= now
        {
            effects.push(Effect::Refuse);
            let (until, asked) = (now + self.settings.timeout, BTreeSet::new());
            self.state = State::Draining { until, asked, step: Some(now), empty: None };
        }
        let State::Draining { until, asked, step, empty } = &mut self.state else { return };
        let since = if open == 0 { *empty.get_or_insert(now) } else { now };
        let settled = open == 0 && (pending() == 0 || since + SETTLE <= now);
        if settled || *until <= now {
            let after = |connection| (connection, jitter(LEFTOVER_JITTER, rng));
            let left = locals.connections().map(after);
            effects.extend(left.map(|(connection, after)| Effect::DrainNow { connection, after }));
            effects.push(Effect::Finished);
            self.state = State::Finished;
            return;
        }
        let unasked = locals.connections().filter(|connection| !asked.contains(connection)).count();
        if unasked > 0 && step.is_some_and(|at| at <= now) {
            *step = None;
            let rate = self.settings.rate_per_second;
            effects.push(Effect::TakeTokens { want: rate.min(unasked as u32), rate });
        }
    }
}

fn jitter(most: Duration, rng: &mut dyn Rng) -> Duration {
    Duration::from_millis(rng.random_range(0..=most.as_millis() as u64))
}

#[cfg(test)]
mod tests;
