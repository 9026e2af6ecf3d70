//! The machines that a gateway has one of, and what they all are told together. They share what they know
//! of the gateway's devices.

use std::time::Duration;

use rand::Rng;

use crate::{
    Drainer, Evictions, Gateway, Incarnation, LeaseKeeper, Locals, Now, Presence, Prober,
    Registrar, Revocations, Router,
    drainer::{self, DrainSettings},
    evictions, lease, presence, prober, registrar, revocations, router,
};

/// The machines.
#[derive(Debug)]
pub struct Machines {
    /// The devices that this gateway holds.
    pub locals: Locals,
    /// Where messages go.
    pub router: Router,
    /// The lease, and what its loss means.
    pub lease: LeaseKeeper,
    /// The backstop.
    pub prober: Prober,
    /// Which devices are in use.
    pub registrar: Registrar,
    /// Whose tokens are revoked.
    pub revocations: Revocations,
    /// Who is online.
    pub presence: Presence,
    /// Sessions that devices have left behind.
    pub evictions: Evictions,
    /// How the gateway stops.
    pub drainer: Drainer,
}

/// What the machines want done.
#[derive(Debug, Default)]
pub struct Effects {
    /// By the router.
    pub router: Vec<router::Effect>,
    /// By the lease keeper.
    pub lease: Vec<lease::Effect>,
    /// By the prober.
    pub prober: Vec<prober::Effect>,
    /// By the registrar.
    pub registrar: Vec<registrar::Effect>,
    /// By the revocations.
    pub revocations: Vec<revocations::Effect>,
    /// By presence.
    pub presence: Vec<presence::Effect>,
    /// By the evictions.
    pub evictions: Vec<evictions::Effect>,
    /// By the drainer.
    pub drainer: Vec<drainer::Effect>,
}

impl Machines {
    /// A gateway starts; its first incarnation comes from `rng`.
    pub fn new(drain: DrainSettings, now: Now, rng: &mut dyn Rng) -> Self {
        let mut machines = Self {
            locals: Locals::default(),
            router: Router::default(),
            lease: LeaseKeeper::new(rng),
            prober: Prober::new(now),
            registrar: Registrar::new(now),
            revocations: Revocations::new(now),
            presence: Presence::default(),
            evictions: Evictions::default(),
            drainer: Drainer::new(drain),
        };
        for own in machines.lease.own().to_vec() {
            machines.take_incarnation(own);
        }
        machines
    }

    /// A second has passed. `open` counts the gateway's connections.
    pub fn tick(&mut self, now: Now, open: usize, rng: &mut dyn Rng, effects: &mut Effects) {
        self.lease.tick(now, &self.locals, &mut effects.lease);
        let manager_away = !self.lease.is_proven(now);
        self.prober.tick(now, manager_away, &self.locals, &mut effects.prober);
        for gateway in self.evictions.silent(now) {
            effects.router.push(router::Effect::DropLink(gateway));
            self.link_lost(now, gateway);
        }
        self.registrar.tick(now, &self.locals, &mut effects.registrar);
        self.revocations.tick(&mut effects.revocations);
        self.presence.tick(now, &self.locals, &mut effects.presence);
        self.evictions.tick(now, &mut effects.evictions);
        let pending = || self.router.pending();
        self.drainer.tick(now, open, pending, &self.locals, rng, &mut effects.drainer);
    }

    /// Time has passed, less than a second maybe: what the router waits for may be due.
    pub fn look(&mut self, now: Now, effects: &mut Effects) {
        if self.router.deadline().is_some_and(|due| due <= now.monotonic) {
            self.router.tick(now, &mut effects.router);
        }
    }

    /// The link to a gateway's incarnation broke.
    pub fn link_lost(&mut self, now: Now, to: Incarnation) {
        self.router.link_lost(now, to);
        self.evictions.link_lost(now, to);
    }

    /// A gateway's incarnation is no more: another one answers in its place.
    pub fn gateway_gone(&mut self, now: Now, gateway: Incarnation, effects: &mut Effects) {
        self.router.gateway_gone(now, gateway, &mut effects.router);
        self.evictions.gateway_gone(gateway, &mut effects.evictions);
    }

    /// [`lease::Effect::TakeIncarnation`].
    pub fn take_incarnation(&mut self, own: Incarnation) {
        self.router.take_incarnation(own);
        self.evictions.take_incarnation(own);
    }

    /// [`lease::Effect::Gateways`].
    pub fn gateways(
        &mut self,
        now: Now,
        asked: Duration,
        alive: &[Gateway],
        effects: &mut Effects,
    ) {
        self.router.gateways(now, alive, &mut effects.router);
        self.evictions.gateways(asked, alive, &mut effects.evictions);
        self.drainer.gateways(alive);
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        ConnectionId,
        testing::{device, route, seconds},
    };

    #[test]
    fn the_link_that_an_eviction_has_no_answer_from_is_dropped() {
        let mut rng = StdRng::seed_from_u64(1);
        let drain = DrainSettings {
            grace: Duration::from_secs(10),
            rate_per_second: 100,
            timeout: Duration::from_secs(60),
        };
        let mut machines = Machines::new(drain, seconds(100), &mut rng);
        let (phone, out) = (device("bob", "phone"), &mut Vec::new());
        let previous = route(2, 7, 70);
        let gateway = previous.gateway.incarnation;
        machines.evictions.displace(seconds(100), ConnectionId(9), phone, previous, out);
        for (second, dropped) in [(104, false), (105, true), (106, false), (111, true)] {
            let mut effects = Effects::default();
            machines.tick(seconds(second), 1, &mut rng, &mut effects);
            let drop = effects.router.contains(&router::Effect::DropLink(gateway));
            assert_eq!(drop, dropped, "at {second} s");
        }
    }
}
