//! Ends the sessions that devices have left behind (rule 4). One per gateway.

use std::time::Duration;

use crate::{ConnectionId, Device, Gateway, Incarnation, Now, Route, Target};

/// What the shell does for the evictions, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// End a session of this gateway: [`crate::session::Input::Evict`].
    Local {
        /// Its connection.
        connection: ConnectionId,
        /// The epoch of its route.
        epoch: u64,
    },
    /// Send an `Evict` over the link to a gateway. Answered by [`Evictions::evicted`] or
    /// [`Evictions::link_lost`].
    Remote {
        /// The gateway.
        gateway: Gateway,
        /// Names the eviction: the `sequence` on the wire. `Evicted` and `Outcomes` are different
        /// frames, so it may equal the number of a delivery.
        eviction: u64,
        /// Which session.
        target: Target,
    },
    /// The session reads its inbox again: [`crate::session::Input::ReadAgain`].
    ReadAgain(ConnectionId),
}

/// Follows each eviction until it is confirmed or the other gateway's lease is over.
#[derive(Debug, Default)]
pub struct Evictions {}

impl Evictions {
    /// This gateway has taken an incarnation; previous holders on it are local.
    pub fn take_incarnation(&mut self, own: Incarnation) {
        let _ = own;
    }

    /// `connection` has claimed a device that `previous` held.
    pub fn displace(
        &mut self,
        now: Now,
        connection: ConnectionId,
        device: Device,
        previous: Route,
        effects: &mut Vec<Effect>,
    ) {
        let _ = (now, connection, device, previous, effects);
    }

    /// A peer confirms.
    pub fn evicted(&mut self, eviction: u64, effects: &mut Vec<Effect>) {
        let _ = (eviction, effects);
    }

    /// The link to a gateway broke or could not be opened.
    pub fn link_lost(&mut self, now: Now, gateway: Incarnation) {
        let _ = (now, gateway);
    }

    /// A gateway is no more: its address answers as another incarnation.
    pub fn gateway_gone(&mut self, gateway: Incarnation, effects: &mut Vec<Effect>) {
        let _ = (gateway, effects);
    }

    /// The gateways whose leases live, as read at or after `asked` (monotonic).
    pub fn gateways(&mut self, asked: Duration, alive: &[Gateway], effects: &mut Vec<Effect>) {
        let _ = (asked, alive, effects);
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let _ = (now, effects);
    }
}
