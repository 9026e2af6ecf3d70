//! Where stored messages go (rules 3 and 5). One per gateway.
//!
//! Everything given to [`Router::route`] ends as exactly one of the counts of [`Counts`], or is still
//! pending. Nothing here is needed for safety: what does not arrive waits in the device's inbox.

mod cache;
mod effect;
mod lookups;
mod peer;
mod sending;
mod typing;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use cache::RouteCache;
use chatcluster_protocol::{
    id::DeviceId,
    peer::Outcome,
    planted::{Bug, planted},
};
pub use effect::{Counts, Effect};
use lookups::Lookups;
use peer::{Peer, Probe};
use typing::Typing;
pub use typing::TypingCounts;

use crate::{
    Away, ConnectionId, Device, Gateway, Incarnation, Local, Locals, Now, Push, Route, Target,
};

/// How long a gateway may take to say what became of a delivery.
const OUTCOME_WITHIN: Duration = Duration::from_secs(5);

/// Finds routes, hands pushes to sessions and peers, and follows each until its outcome is known.
#[derive(Debug, Default)]
pub struct Router {
    own: VecDeque<Incarnation>,
    cache: RouteCache,
    lookups: Lookups,
    peers: BTreeMap<Incarnation, Peer>,
    /// Peers that something may be sent to, until the end of the call.
    ready: BTreeSet<Incarnation>,
    /// Probes that peers were asked for, by number.
    probes: BTreeMap<u64, Incarnation>,
    flights: BTreeMap<u64, Flight>,
    next: u64,
    counts: Counts,
    typing: Typing,
}

/// A push for a device whose route is being read.
#[derive(Debug, Clone)]
struct Delivery {
    push: Push,
    device: Device,
    /// The route that turned out to be wrong; there is one such attempt only.
    wrong: Option<Wrong>,
    /// How often the manager did not answer.
    failures: u8,
}

/// A route that a push was delivered to in vain: gateway (this one where `None`), connection, epoch.
type Wrong = (Option<Incarnation>, ConnectionId, u64);

/// A push for a device whose route is known.
#[derive(Debug, Clone)]
struct Leg {
    target: Target,
    /// The route was read again after one that was wrong.
    second: bool,
}

/// A delivery under way.
#[derive(Debug)]
struct Flight {
    /// The gateway, or this one.
    to: Option<Incarnation>,
    push: Push,
    /// Those without an outcome.
    legs: Vec<Option<Leg>>,
    sent: Duration,
}

impl Router {
    /// This gateway has taken an incarnation; routes to it are local.
    pub fn take_incarnation(&mut self, own: Incarnation) {
        self.own.push_back(own);
        if self.own.len() > crate::lease::OWN {
            self.own.pop_front();
        }
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
        for device in devices {
            let local = locals.get(&device).filter(|local| local.claimed);
            if let Some(Local { connection, epoch, .. }) = local {
                let target = Target { device, connection, epoch };
                self.hand_over(now, push.clone(), Leg { target, second: false }, effects);
            } else if let Some(Route { gateway, connection, epoch }) = self.cache.get(&device) {
                let leg = Leg { target: Target { device, connection, epoch }, second: false };
                self.send(now, gateway, push.clone(), leg, effects);
            } else {
                self.look_up(Delivery { push: push.clone(), device, wrong: None, failures: 0 });
            }
        }
        self.flush(now, effects);
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
        let Some(found) = self.typing_routes(now, lookup, found, locals, effects) else {
            return self.flush(now, effects);
        };
        let mut found = found.unwrap_or_default().into_iter();
        for deliveries in self.lookups.end(lookup).into_values() {
            let Some(routes) = found.next() else {
                for delivery in deliveries {
                    let is_here = locals.get(&delivery.device).is_some();
                    if let Some(delivery) = self.lookups.failed(now.monotonic, delivery, is_here) {
                        self.try_locally(now, delivery, true, locals, effects);
                    }
                }
                continue;
            };
            if routes.is_empty() {
                absent(&deliveries, locals, effects);
            }
            for delivery in deliveries {
                let route = routes.iter().find(|(device, _)| *device == delivery.device.device);
                match route.map(|(_, route)| route) {
                    Some(route) if !self.own.contains(&route.gateway.incarnation) => {
                        self.follow(now, delivery, route.clone(), effects);
                    }
                    // Where the manager knows no other holder, a session of this gateway is one.
                    _ => self.try_locally(now, delivery, false, locals, effects),
                }
            }
        }
        self.flush(now, effects);
    }

    /// What became of one target of a delivery. Outcomes that come twice, or after the delivery was
    /// given up, change nothing.
    pub fn outcome(
        &mut self,
        now: Now,
        delivery: u64,
        target: u32,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(gateway) = self.probes.remove(&delivery) {
            self.ready.insert(gateway);
            if let Some(peer) = self.peers.get_mut(&gateway) {
                peer.heard();
                peer.probe = Probe::No;
            }
            return self.flush(now, effects);
        }
        let Some(flight) = self.flights.get_mut(&delivery) else { return };
        let Some(leg) = flight.legs.get_mut(target as usize).and_then(Option::take) else { return };
        let (to, push) = (flight.to, flight.push.clone());
        if flight.legs.iter().all(Option::is_none) {
            self.flights.remove(&delivery);
        }
        self.ready.extend(to);
        let peer = to.and_then(|gateway| self.peers.get_mut(&gateway));
        match (outcome, peer) {
            (Outcome::Unknown, Some(peer)) => {
                peer.flying -= 1;
                // The targets of one delivery that failed together are one failure.
                if peer.retry.is_none() {
                    peer.lost(now.monotonic);
                }
                self.counts.peer_full += peer.wait(push, leg) as u64;
            }
            (outcome, peer) => {
                if let Some(peer) = peer {
                    peer.flying -= 1;
                    peer.heard();
                }
                match outcome {
                    Outcome::Queued => self.counts.queued += 1,
                    Outcome::Overloaded => self.counts.overloaded += 1,
                    Outcome::NotHere | Outcome::Unknown => self.look_up_again(to, push, leg),
                }
            }
        }
        self.flush(now, effects);
    }

    /// The link to a gateway broke, could not be opened, or its queue is full: what was sent and not
    /// confirmed has an unknown outcome.
    pub fn link_lost(&mut self, now: Now, gateway: Incarnation) {
        let flights = self.take_flights(gateway);
        self.probes.retain(|_, asked| *asked != gateway);
        let Some(peer) = self.peers.get_mut(&gateway) else { return };
        peer.lost(now.monotonic);
        peer.flying = 0;
        for (push, leg) in flights {
            if planted(Bug::UnknownIsQueued) {
                continue;
            }
            self.counts.peer_full += peer.wait(push, leg) as u64;
        }
    }

    /// A gateway is no more: its lease is over, or its address answers as another incarnation. All that
    /// was meant for it is `NotHere`.
    pub fn gateway_gone(&mut self, now: Now, gateway: Incarnation, effects: &mut Vec<Effect>) {
        self.cache.gone(gateway);
        self.probes.retain(|_, asked| *asked != gateway);
        let mut lost = self.take_flights(gateway);
        lost.extend(self.peers.remove(&gateway).iter_mut().flat_map(Peer::take_waiting));
        for (push, leg) in lost {
            self.look_up_again(Some(gateway), push, leg);
        }
        self.flush(now, effects);
    }

    /// The gateways whose leases live, as of a moment ago. Routes to others are worth nothing.
    pub fn gateways(&mut self, now: Now, alive: &[Gateway], effects: &mut Vec<Effect>) {
        self.cache.set_alive(alive);
        let alive: BTreeSet<_> = alive.iter().map(|gateway| gateway.incarnation).collect();
        let gone: Vec<_> =
            self.peers.keys().filter(|peer| !alive.contains(peer)).copied().collect();
        for gateway in gone {
            self.gateway_gone(now, gateway, effects);
        }
    }

    /// Time has passed. Due at [`Router::deadline`].
    pub fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let late = now.monotonic.checked_sub(OUTCOME_WITHIN);
        for gateway in late.map(|late| self.silent_since(late)).unwrap_or_default() {
            effects.push(Effect::DropLink(gateway));
            self.link_lost(now, gateway);
        }
        for peer in self.peers.values_mut() {
            if peer.retry.is_none_or(|at| at > now.monotonic) {
                continue;
            }
            peer.retry = None;
            let gateway = peer.gateway.clone();
            self.ready.insert(gateway.incarnation);
            if peer.probe == Probe::Due {
                self.next += 1;
                peer.probe = Probe::Asked(now.monotonic);
                self.probes.insert(self.next, gateway.incarnation);
                effects.push(Effect::ProbeAll { gateway, delivery: self.next });
            }
        }
        self.lookups.tick(now.monotonic);
        self.flush(now, effects);
    }

    /// When the next [`Router::tick`] is due at the latest, in monotonic time.
    pub fn deadline(&self) -> Option<Duration> {
        let retries = self.peers.values().filter_map(|peer| peer.retry);
        let probes = self.peers.values().filter_map(|peer| peer.probe.asked());
        // Numbers go up with time, so the first flight is the oldest.
        let oldest = self.flights.values().next().map(|flight| flight.sent);
        let answers = probes.chain(oldest).map(|sent| sent + OUTCOME_WITHIN);
        retries.chain(answers).chain(self.lookups.deadline()).min()
    }

    /// How deliveries ended.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many deliveries have not ended.
    pub fn pending(&self) -> usize {
        let legs = |flight: &Flight| flight.legs.iter().flatten().count();
        let flying: usize = self.flights.values().map(legs).sum();
        flying + self.lookups.len() + self.peers.values().map(Peer::waiting).sum::<usize>()
    }
}

/// Says for whom messages wait, of deliveries to one user who has no route. Each message is told once.
fn absent(deliveries: &[Delivery], locals: &Locals, effects: &mut Vec<Effect>) {
    let Some(user) = deliveries.first().map(|delivery| &delivery.device.user) else { return };
    if locals.of_user(user).next().is_some() {
        return;
    }
    let mut told = BTreeSet::new();
    for Delivery { push, .. } in deliveries.iter().filter(|delivery| !delivery.push.receipt) {
        if told.insert(push.id) {
            effects.push(Effect::Absent { user: user.clone(), push: push.clone() });
        }
    }
}

#[cfg(test)]
mod tests;
