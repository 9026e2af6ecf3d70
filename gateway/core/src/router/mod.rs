//! Where stored messages go (rules 3 and 5). One per gateway.
//!
//! Everything given to [`Router::route`] ends as exactly one of the counts of [`Counts`], or is still
//! pending. Nothing here is needed for safety: what does not arrive waits in the device's inbox.

use std::time::Duration;

use chatcluster_protocol::{
    id::{DeviceId, UserId},
    peer::Outcome,
};

use crate::{Away, ConnectionId, Device, Gateway, Incarnation, Locals, Now, Push, Route, Target};

/// What the shell does for the router, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Hand the push to a session of this gateway ([`crate::Session::deliver`]) and give what it said
    /// to [`Router::outcome`] with target 0; `NotHere` where the connection is gone.
    Local {
        /// Names the delivery.
        delivery: u64,
        /// The connection.
        connection: ConnectionId,
        /// The epoch to deliver for.
        epoch: u64,
        /// The push.
        push: Push,
    },
    /// Send the push over the link to a gateway, opening the link where there is none. Answered by
    /// [`Router::outcome`] for each target, or by [`Router::link_lost`].
    Remote {
        /// The gateway.
        gateway: Gateway,
        /// Names the delivery: the `sequence` on the wire.
        delivery: u64,
        /// The push.
        push: Push,
        /// Which devices get it.
        targets: Vec<Target>,
    },
    /// More was lost than could be kept: send the gateway a `Probe`, upon which it probes all its
    /// sessions ([`crate::Prober::probe_all`]). Answered like `Remote` with one target.
    ProbeAll {
        /// The gateway.
        gateway: Gateway,
        /// Names the request: the `sequence` on the wire.
        delivery: u64,
    },
    /// Read the routes of users at the manager. Answered by [`Router::routes`].
    Lookup {
        /// Names the lookup.
        lookup: u64,
        /// The users.
        users: Vec<UserId>,
    },
}

/// How many deliveries ended in which way, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Handed to a session.
    pub queued: u64,
    /// The session reads its inbox again, where it waits.
    pub overloaded: u64,
    /// No gateway holds the device: it is offline.
    pub no_route: u64,
    /// The route was wrong, and so was the one read again.
    pub not_here: u64,
    /// The manager did not answer; probes find it.
    pub manager_away: u64,
    /// Too many waited for a lookup; probes find it.
    pub lookups_full: u64,
    /// Too many waited for a peer; it is told to probe all its sessions.
    pub peer_full: u64,
}

/// Finds routes, hands pushes to sessions and peers, and follows each until its outcome is known.
#[derive(Debug, Default)]
pub struct Router {
    counts: Counts,
}

impl Router {
    /// This gateway has taken an incarnation; routes to it are local.
    pub fn take_incarnation(&mut self, own: Incarnation) {
        let _ = own;
    }

    /// Routes a push that is stored for these devices.
    pub fn route(
        &mut self,
        now: Now,
        push: &Push,
        devices: Vec<Device>,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, push, devices, locals, effects);
    }

    /// Answers [`Effect::Lookup`]: the live routes of each user, in the order asked.
    pub fn routes(
        &mut self,
        now: Now,
        lookup: u64,
        found: Result<Vec<Vec<(DeviceId, Route)>>, Away>,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, lookup, found, locals, effects);
    }

    /// What became of one target of a delivery.
    pub fn outcome(
        &mut self,
        now: Now,
        delivery: u64,
        target: u32,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, delivery, target, outcome, effects);
    }

    /// The link to a gateway broke, could not be opened, or its queue is full: what was sent and not
    /// confirmed has an unknown outcome.
    pub fn link_lost(&mut self, now: Now, gateway: Incarnation) {
        let _ = (now, gateway);
    }

    /// A gateway is no more: its address answers as another incarnation. All that was meant for it is
    /// `NotHere`.
    pub fn gateway_gone(&mut self, now: Now, gateway: Incarnation, effects: &mut Vec<Effect>) {
        let _ = (now, gateway, effects);
    }

    /// The gateways whose leases live, as of a moment ago. Routes to others are worth nothing.
    pub fn gateways(&mut self, now: Now, alive: &[Gateway], effects: &mut Vec<Effect>) {
        let _ = (now, alive, effects);
    }

    /// Time has passed. Due at [`Router::deadline`].
    pub fn tick(&mut self, now: Now, locals: &Locals, effects: &mut Vec<Effect>) {
        let _ = (now, locals, effects);
    }

    /// When the next [`Router::tick`] is due at the latest, in monotonic time.
    pub fn deadline(&self) -> Option<Duration> {
        None
    }

    /// How deliveries ended.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many deliveries have not ended.
    pub fn pending(&self) -> usize {
        0
    }
}
