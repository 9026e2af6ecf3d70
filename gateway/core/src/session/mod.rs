//! One client's connection, from its opening to its end.
//!
//! A session owns what is pushed to the client and when, what the client sent and has no answer to
//! yet, and the deadlines of the connection. It leaves to others: bytes and sockets (the shell), who
//! else holds what (the manager), and where a stored message goes ([`crate::Router`]).

mod effect;
mod input;

use std::time::Duration;

use chatcluster_protocol::{id::HybridClock, peer::Outcome};
pub use effect::{Append, Effect, Outgoing};
pub use input::{
    AppendResult, Claimed, HistoryFailure, InboxPage, Input, Registration, Touched, Verdict,
};
use uuid::Uuid;

use crate::{ConnectionId, Device, Incarnation, Now, Push};

/// What a session works with for the length of one call.
#[derive(Debug)]
pub struct Env<'a> {
    /// The clocks, read just before the call.
    pub now: Now,
    /// How often a client must be heard: the `heartbeat` of the configuration.
    pub heartbeat: Duration,
    /// The incarnations that this gateway has had since its start ([`crate::LeaseKeeper::own`]).
    pub own: &'a [Incarnation],
    /// The gateway's clock for ids.
    pub clock: &'a mut HybridClock,
    /// Where effects go; the caller carries them out in order.
    pub effects: &'a mut Vec<Effect>,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Connected; not welcomed yet.
    AwaitHello,
    /// Welcomed; the inbox is being read, live pushes wait in a bounded buffer.
    CatchingUp,
    /// Everything that waited has been pushed; live pushes go straight to the client.
    Live,
    /// Ending or ended; nothing more is written.
    Closing,
}

/// The state machine of one connection.
#[derive(Debug)]
pub struct Session {
    connection: ConnectionId,
    name: Uuid,
}

impl Session {
    /// A connection has been opened. `name` is told to the client, for logs and support.
    pub fn new(connection: ConnectionId, name: Uuid, now: Now) -> Self {
        let _ = now;
        Self { connection, name }
    }

    /// Takes an input and appends what is to be done to `env.effects`.
    pub fn handle(&mut self, input: Input, env: &mut Env<'_>) {
        let _ = (input, env, &self.name);
    }

    /// Takes a push that somebody routed here for `epoch`, and says what becomes of it: `Queued`,
    /// `NotHere` or `Overloaded`, never `Unknown`.
    pub fn deliver(&mut self, epoch: u64, push: Push, env: &mut Env<'_>) -> Outcome {
        let _ = (epoch, push, env);
        Outcome::NotHere
    }

    /// When the next [`Input::Tick`] is due at the latest, in monotonic time.
    pub fn deadline(&self) -> Option<Duration> {
        None
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        Phase::AwaitHello
    }

    /// Which connection it is.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Whose it is, once a token said so.
    pub fn device(&self) -> Option<&Device> {
        None
    }

    /// The socket is gone and no answer is awaited: the session may be dropped. Until then answers
    /// must still reach it, since what was stored for a client that left is routed all the same.
    pub fn finished(&self) -> bool {
        false
    }
}
