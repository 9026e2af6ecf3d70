//! The machines that a gateway has one of, and their effects.

use std::time::Duration;

use gateway_core::{
    Drainer, Evictions, LeaseKeeper, Locals, Now, Prober, Router,
    drainer::{self, DrainSettings},
    evictions, lease, prober, router,
};
use rand::Rng;

use crate::{chance::Chance, world::World};

/// The machines.
pub(super) struct Machines {
    pub(super) locals: Locals,
    pub(super) router: Router,
    pub(super) lease: LeaseKeeper,
    pub(super) prober: Prober,
    pub(super) evictions: Evictions,
    pub(super) drainer: Drainer,
}

/// What the machines want done.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) router: Vec<router::Effect>,
    pub(super) lease: Vec<lease::Effect>,
    pub(super) prober: Vec<prober::Effect>,
    pub(super) evictions: Vec<evictions::Effect>,
    pub(super) drainer: Vec<drainer::Effect>,
}

impl Machines {
    pub(super) fn new(now: Now, chance: &mut Chance) -> Self {
        let rng: &mut dyn Rng = &mut chance.0;
        let lease = LeaseKeeper::new(rng);
        let (mut router, mut evictions) = (Router::default(), Evictions::default());
        for own in lease.own() {
            router.take_incarnation(*own);
            evictions.take_incarnation(*own);
        }
        // Slow enough that several steps are needed, and that some are left at the end.
        let settings = DrainSettings {
            grace: Duration::from_secs(1),
            rate_per_second: 4,
            timeout: Duration::from_secs(6),
        };
        Self {
            locals: Locals::default(),
            router,
            lease,
            prober: Prober::new(now),
            evictions,
            drainer: Drainer::new(settings),
        }
    }
}

impl World {
    /// Tells the machines something, then carries out what they want.
    pub(super) fn tell(&mut self, at: usize, tell: impl FnOnce(&mut Machines, Now, &mut Out)) {
        let mut out = Out::default();
        let gateway = &mut self.gateways[at];
        let now = gateway.clock.now(self.now);
        tell(&mut gateway.machines, now, &mut out);
        self.carry_out(at, out);
    }

    /// The same, with chance.
    pub(super) fn tell_with_chance(
        &mut self,
        at: usize,
        tell: impl FnOnce(&mut Machines, Now, &mut dyn Rng, &mut Out),
    ) {
        let mut out = Out::default();
        let gateway = &mut self.gateways[at];
        let now = gateway.clock.now(self.now);
        tell(&mut gateway.machines, now, &mut gateway.chance.0, &mut out);
        self.carry_out(at, out);
    }

    fn carry_out(&mut self, at: usize, out: Out) {
        for effect in out.lease {
            self.lease_effect(at, effect);
        }
        for effect in out.evictions {
            self.eviction_effect(at, effect);
        }
        for effect in out.router {
            self.router_effect(at, effect);
        }
        for effect in out.prober {
            self.prober_effect(at, effect);
        }
        for effect in out.drainer {
            self.drainer_effect(at, effect);
        }
    }
}
