//! Where stored messages go (rules 3 and 5). One per gateway.
//!
//! Everything given to [`Router::route`] ends as exactly one of the counts of [`Counts`], or is still
//! pending. Nothing here is needed for safety: what does not arrive waits in the device's inbox.

mod cache;
mod lookups;
mod peer;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use cache::RouteCache;
use chatcluster_protocol::{
    id::{DeviceId, UserId},
    peer::Outcome,
};
use lookups::Lookups;
use peer::{Peer, Probe};

use crate::{
    Away, ConnectionId, Device, Gateway, Incarnation, Local, Locals, Now, Push, Route, Target,
};

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
    /// The gateway has not answered for 5 s: close the link to it. What was sent counts as lost; the next
    /// `Remote` opens another. Not answered.
    DropLink(Incarnation),
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
        let mut found = found.unwrap_or_default().into_iter();
        for deliveries in self.lookups.end(lookup).into_values() {
            let Some(routes) = found.next() else {
                for delivery in deliveries {
                    if let Some(delivery) = self.lookups.failed(now.monotonic, delivery) {
                        self.try_locally(now, delivery, true, locals, effects);
                    }
                }
                continue;
            };
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

    fn look_up(&mut self, delivery: Delivery) {
        if !self.lookups.add(delivery) {
            self.counts.lookups_full += 1;
        }
    }

    /// The route was wrong: it is forgotten and read again, once.
    fn look_up_again(&mut self, to: Option<Incarnation>, push: Push, leg: Leg) {
        let Leg { target: Target { device, connection, epoch }, second } = leg;
        self.cache.forget(&device, |route| {
            Some(route.gateway.incarnation) == to
                && (route.connection, route.epoch) == (connection, epoch)
        });
        if second {
            self.counts.not_here += 1;
        } else {
            let wrong = Some((to, connection, epoch));
            self.look_up(Delivery { push, device, wrong, failures: 0 });
        }
    }

    /// Delivers to a route that the manager gave.
    fn follow(&mut self, now: Now, delivery: Delivery, route: Route, effects: &mut Vec<Effect>) {
        let Delivery { push, device, wrong, .. } = delivery;
        let Route { gateway, connection, epoch } = route.clone();
        if wrong == Some((Some(gateway.incarnation), connection, epoch)) {
            self.counts.not_here += 1;
            return;
        }
        self.cache.insert(device.clone(), route);
        let leg = Leg { target: Target { device, connection, epoch }, second: wrong.is_some() };
        self.send(now, gateway, push, leg, effects);
    }

    /// Delivers to a session of this gateway, if there is one; else the delivery ends here.
    fn try_locally(
        &mut self,
        now: Now,
        delivery: Delivery,
        manager_away: bool,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let Delivery { push, device, wrong, .. } = delivery;
        let local = locals.get(&device);
        let fresh = |local: &Local| wrong != Some((None, local.connection, local.epoch));
        match local.filter(fresh) {
            Some(Local { connection, epoch, .. }) => {
                let target = Target { device, connection, epoch };
                self.hand_over(now, push, Leg { target, second: wrong.is_some() }, effects);
            }
            None if manager_away => self.counts.manager_away += 1,
            None if wrong.is_some() => self.counts.not_here += 1,
            None => self.counts.no_route += 1,
        }
    }

    fn hand_over(&mut self, now: Now, push: Push, leg: Leg, effects: &mut Vec<Effect>) {
        let Target { connection, epoch, .. } = leg.target;
        let delivery = self.begin(now, None, push.clone(), vec![leg]);
        effects.push(Effect::Local { delivery, connection, epoch, push });
    }

    /// Queues for a gateway; [`Self::flush`] sends.
    fn send(&mut self, now: Now, to: Gateway, push: Push, leg: Leg, effects: &mut Vec<Effect>) {
        self.ready.insert(to.incarnation);
        let peer = self.peers.entry(to.incarnation).or_insert_with(|| Peer::new(to));
        let dropped = peer.wait(push, leg);
        self.counts.peer_full += dropped as u64;
        if peer.is_open() && peer.waiting() >= peer::BATCH {
            self.flush(now, effects);
        }
    }

    /// Sends all that may be sent now, and begins lookups.
    fn flush(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(gateway) = self.ready.pop_first() {
            let Some(peer) = self.peers.get_mut(&gateway) else { continue };
            let gateway = peer.gateway.clone();
            let batches: Vec<_> = std::iter::from_fn(|| peer.next_batch()).collect();
            if peer.is_idle() {
                self.peers.remove(&gateway.incarnation);
            }
            for (push, legs) in batches {
                let targets = legs.iter().map(|leg| leg.target.clone()).collect();
                let delivery = self.begin(now, Some(gateway.incarnation), push.clone(), legs);
                effects.push(Effect::Remote { gateway: gateway.clone(), delivery, push, targets });
            }
        }
        while let Some((lookup, users)) = self.lookups.begin() {
            effects.push(Effect::Lookup { lookup, users });
        }
    }

    fn begin(&mut self, now: Now, to: Option<Incarnation>, push: Push, legs: Vec<Leg>) -> u64 {
        self.next += 1;
        let legs = legs.into_iter().map(Some).collect();
        self.flights.insert(self.next, Flight { to, push, legs, sent: now.monotonic });
        self.next
    }

    fn take_flights(&mut self, gateway: Incarnation) -> Vec<(Push, Leg)> {
        let flights = self.flights.extract_if(.., |_, flight| flight.to == Some(gateway));
        let legs = |(_, flight): (u64, Flight)| {
            let Flight { push, legs, .. } = flight;
            legs.into_iter().flatten().map(move |leg| (push.clone(), leg))
        };
        flights.flat_map(legs).collect()
    }

    /// The gateways that have left something unanswered since then.
    fn silent_since(&self, then: Duration) -> BTreeSet<Incarnation> {
        let late = self.flights.values().take_while(|flight| flight.sent <= then);
        let asked = |peer: &&Peer| peer.probe.asked().is_some_and(|sent| sent <= then);
        let probes = self.peers.values().filter(asked).map(|peer| peer.gateway.incarnation);
        late.filter_map(|flight| flight.to).chain(probes).collect()
    }
}

#[cfg(test)]
mod tests;
