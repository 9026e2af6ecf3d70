//! How a delivery gets from its route to a session or a link, and what happens when the route is wrong.

use std::{collections::BTreeSet, time::Duration};

use chatcluster_protocol::planted::{Bug, planted};

use super::{Delivery, Effect, Flight, Leg, Peer, Router, peer};
use crate::{Gateway, Incarnation, Local, Locals, Now, Push, Route, Target};

impl Router {
    pub(super) fn look_up(&mut self, delivery: Delivery) {
        if !self.lookups.add(delivery) {
            self.counts.lookups_full += 1;
        }
    }

    /// The route was wrong: it is forgotten and read again, once.
    pub(super) fn look_up_again(&mut self, to: Option<Incarnation>, push: Push, leg: Leg) {
        let Leg { target: Target { device, connection, epoch }, second } = leg;
        if planted(Bug::WrongRouteKept) {
            self.counts.not_here += 1;
            return;
        }
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
    pub(super) fn follow(
        &mut self,
        now: Now,
        delivery: Delivery,
        route: Route,
        effects: &mut Vec<Effect>,
    ) {
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
    pub(super) fn try_locally(
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

    pub(super) fn hand_over(&mut self, now: Now, push: Push, leg: Leg, effects: &mut Vec<Effect>) {
        let Target { connection, epoch, .. } = leg.target;
        let delivery = self.begin(now, None, push.clone(), vec![leg]);
        effects.push(Effect::Local { delivery, connection, epoch, push });
    }

    /// Queues for a gateway; [`Self::flush`] sends.
    pub(super) fn send(
        &mut self,
        now: Now,
        to: Gateway,
        push: Push,
        leg: Leg,
        effects: &mut Vec<Effect>,
    ) {
        self.ready.insert(to.incarnation);
        let peer = self.peers.entry(to.incarnation).or_insert_with(|| Peer::new(to));
        let dropped = peer.wait(push, leg);
        self.counts.peer_full += dropped as u64;
        if peer.is_open() && peer.waiting() >= peer::BATCH {
            self.flush(now, effects);
        }
    }

    /// Sends all that may be sent now, and begins lookups.
    pub(super) fn flush(&mut self, now: Now, effects: &mut Vec<Effect>) {
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
        if let Some((lookup, users)) = self.typing.begin(|| self.lookups.number()) {
            effects.push(Effect::Lookup { lookup, users });
        }
    }

    fn begin(&mut self, now: Now, to: Option<Incarnation>, push: Push, legs: Vec<Leg>) -> u64 {
        self.next += 1;
        let legs = legs.into_iter().map(Some).collect();
        self.flights.insert(self.next, Flight { to, push, legs, sent: now.monotonic });
        self.next
    }

    pub(super) fn take_flights(&mut self, gateway: Incarnation) -> Vec<(Push, Leg)> {
        let flights = self.flights.extract_if(.., |_, flight| flight.to == Some(gateway));
        let legs = |(_, flight): (u64, Flight)| {
            let Flight { push, legs, .. } = flight;
            legs.into_iter().flatten().map(move |leg| (push.clone(), leg))
        };
        flights.flat_map(legs).collect()
    }

    /// The gateways that have left something unanswered since then.
    pub(super) fn silent_since(&self, then: Duration) -> BTreeSet<Incarnation> {
        let late = self.flights.values().take_while(|flight| flight.sent <= then);
        let asked = |peer: &&Peer| peer.probe.asked().is_some_and(|sent| sent <= then);
        let probes = self.peers.values().filter(asked).map(|peer| peer.gateway.incarnation);
        late.filter_map(|flight| flight.to).chain(probes).collect()
    }
}
