//! The gateway's lease, and when all sessions must claim their routes again (rule 2). One per gateway.
//!
//! The manager may be away for as long as it likes: sessions and links go on, and nothing here makes
//! the gateway unready (P8).

use std::time::Duration;

use rand::Rng;

use crate::{Away, ConnectionId, Gateway, Incarnation, Locals, Now};

/// How long a lease lives without renewal.
pub const TTL: Duration = Duration::from_secs(15);

/// What the shell does for the lease keeper, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Renew the lease of this incarnation for [`TTL`]. Answered by [`LeaseKeeper::renewed`].
    Renew(Incarnation),
    /// End the lease of an incarnation that is ours no more. Not answered.
    End(Incarnation),
    /// Read all leases that are alive. Answered by [`LeaseKeeper::leases`].
    ReadLeases,
    /// Read who is master of what. Answered by [`LeaseKeeper::shards`].
    ReadShards,
    /// From now on this is our incarnation: for claims, for peer hellos in both directions, and for
    /// [`crate::Router::take_incarnation`] and [`crate::Evictions::take_incarnation`].
    TakeIncarnation(Incarnation),
    /// These sessions claim their routes again: [`crate::session::Input::Reassert`].
    Reassert(Vec<ConnectionId>),
    /// Give these to [`crate::Router::gateways`], [`crate::Evictions::gateways`] and
    /// [`crate::Drainer::gateways`].
    Gateways {
        /// When the read began, in monotonic time.
        asked: Duration,
        /// Those whose leases live, this one included.
        alive: Vec<Gateway>,
    },
    /// The lease of another gateway is over, and it may not have been in good order:
    /// [`crate::Prober::probe_all`].
    GatewayLost(Incarnation),
}

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease was there and goes on.
    Kept,
    /// The lease was not there.
    Created,
}

/// For each range of hash slots (first, last): an opaque name of its master, which changes with it.
pub type Shards = Vec<(u16, u16, String)>;

/// Keeps the lease, watches the others' and the manager's shards.
#[derive(Debug)]
pub struct LeaseKeeper {
    own: Vec<Incarnation>,
}

impl LeaseKeeper {
    /// A gateway starts; its first incarnation comes from `rng`.
    pub fn new(rng: &mut dyn Rng) -> Self {
        Self { own: vec![fresh(rng)] }
    }

    /// The incarnations since the start; the last is the present one.
    pub fn own(&self) -> &[Incarnation] {
        &self.own
    }

    /// Answers [`Effect::Renew`].
    pub fn renewed(
        &mut self,
        now: Now,
        found: Result<Renewal, Away>,
        rng: &mut dyn Rng,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, found, rng, effects);
    }

    /// Answers [`Effect::ReadLeases`].
    pub fn leases(
        &mut self,
        now: Now,
        found: Result<Vec<Gateway>, Away>,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, found, effects);
    }

    /// Answers [`Effect::ReadShards`].
    pub fn shards(&mut self, now: Now, found: Result<Shards, Away>) {
        let _ = (now, found);
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, locals: &Locals, effects: &mut Vec<Effect>) {
        let _ = (now, locals, effects);
    }
}

fn fresh(rng: &mut dyn Rng) -> Incarnation {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Incarnation(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
