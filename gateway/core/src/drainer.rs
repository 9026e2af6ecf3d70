//! How a gateway empties itself before it stops. One per gateway.

use std::time::Duration;

use rand::Rng;

use crate::{Away, ConnectionId, Gateway, Locals, Now};

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
    /// Nothing is left, or time is up: end the lease in good order, flush and exit.
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
}

impl Drainer {
    /// Does nothing until it is started.
    pub fn new(settings: DrainSettings) -> Self {
        Self { settings }
    }

    /// The gateway was told to stop (SIGTERM). Telling it again changes nothing.
    pub fn start(&mut self, now: Now) {
        let _ = (now, self.settings);
    }

    /// The gateways of the fleet, as last known.
    pub fn gateways(&mut self, alive: &[Gateway]) {
        let _ = alive;
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
        let _ = (now, taken, locals, rng, effects);
    }

    /// Time has passed. Wanted every second once started. `open` counts all connections, also those
    /// without a session.
    pub fn tick(
        &mut self,
        now: Now,
        open: usize,
        locals: &Locals,
        rng: &mut dyn Rng,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, open, locals, rng, effects);
    }
}
