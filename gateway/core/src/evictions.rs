//! Ends the sessions that devices have left behind (rule 4). One per gateway.
//!
//! A gateway that still believes in a dead connection may have taken a push for it after the new
//! session read its inbox. So the new session reads again once the old one is known to be gone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use chatcluster_protocol::planted::{Bug, planted};

use crate::{ConnectionId, Device, Gateway, Incarnation, Now, Route, Target, backoff::Backoff};

/// Most evictions without an answer. Where there are more, the old session finds out by itself when it
/// looks at its route, and the probe of the new one stands in for the second read.
const PENDING: usize = 4_096;

/// How long a gateway may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// First and longest wait before an eviction is sent again.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));

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
pub struct Evictions {
    own: VecDeque<Incarnation>,
    pending: BTreeMap<u64, Pending>,
    next: u64,
}

#[derive(Debug)]
struct Pending {
    gateway: Gateway,
    target: Target,
    /// The new connection.
    connection: ConnectionId,
    /// When the device was claimed.
    since: Duration,
    /// It is under way; otherwise it waits for [`Self::retry`].
    asked: bool,
    /// When it is sent again.
    retry: Duration,
    backoff: Backoff,
}

impl Evictions {
    /// This gateway has taken an incarnation; previous holders on it are local.
    pub fn take_incarnation(&mut self, own: Incarnation) {
        self.own.push_back(own);
        if self.own.len() > crate::lease::OWN {
            self.own.pop_front();
        }
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
        if self.own.contains(&previous.gateway.incarnation) {
            let Route { connection: old, epoch, .. } = previous;
            effects.push(Effect::Local { connection: old, epoch });
            effects.push(Effect::ReadAgain(connection));
            return;
        }
        if self.pending.len() >= PENDING || planted(Bug::NobodyEvicted) {
            return;
        }
        let Route { gateway, connection: old, epoch } = previous;
        let pending = Pending {
            gateway,
            target: Target { device, connection: old, epoch },
            connection,
            since: now.monotonic,
            asked: true,
            retry: now.monotonic + ANSWER_WITHIN,
            backoff: BACKOFF,
        };
        effects.push(pending.effect(self.next));
        self.pending.insert(self.next, pending);
        self.next += 1;
    }

    /// A peer confirms.
    pub fn evicted(&mut self, eviction: u64, effects: &mut Vec<Effect>) {
        if let Some(done) = self.pending.remove(&eviction) {
            effects.push(Effect::ReadAgain(done.connection));
        }
    }

    /// The link to a gateway broke or could not be opened.
    pub fn link_lost(&mut self, now: Now, gateway: Incarnation) {
        for pending in self.pending.values_mut() {
            if pending.gateway.incarnation == gateway {
                pending.asked = false;
                pending.retry = now.monotonic + pending.backoff.next();
            }
        }
    }

    /// A gateway is no more: its address answers as another incarnation.
    pub fn gateway_gone(&mut self, gateway: Incarnation, effects: &mut Vec<Effect>) {
        self.finish(effects, |pending| pending.gateway.incarnation == gateway);
    }

    /// The gateways whose leases live, by a read that began at `asked` (monotonic).
    pub fn gateways(&mut self, asked: Duration, alive: &[Gateway], effects: &mut Vec<Effect>) {
        // A read from before the claim may not have seen a gateway that had just started.
        self.finish(effects, |pending| pending.since < asked && !alive.contains(&pending.gateway));
    }

    /// The gateways that have left an eviction without an answer for too long: their links may be half-open,
    /// and are to be dropped before the next [`Self::tick`].
    pub fn silent(&self, now: Now) -> BTreeSet<Incarnation> {
        let silent = self.pending.values().filter(|one| one.asked && one.retry <= now.monotonic);
        silent.map(|one| one.gateway.incarnation).collect()
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (eviction, pending) in &mut self.pending {
            if pending.retry <= now.monotonic {
                pending.asked = true;
                pending.retry = now.monotonic + ANSWER_WITHIN;
                effects.push(pending.effect(*eviction));
            }
        }
    }

    /// How many have no answer.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    fn finish(&mut self, effects: &mut Vec<Effect>, over: impl Fn(&Pending) -> bool) {
        let done = self.pending.extract_if(.., |_, pending| over(pending));
        effects.extend(done.map(|(_, pending)| Effect::ReadAgain(pending.connection)));
    }
}

impl Pending {
    fn effect(&self, eviction: u64) -> Effect {
        let (gateway, target) = (self.gateway.clone(), self.target.clone());
        Effect::Remote { gateway, eviction, target }
    }
}

#[cfg(test)]
mod tests;
