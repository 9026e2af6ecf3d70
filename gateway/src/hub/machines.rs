//! The machines that a gateway has one of, under one lock: they share what they know of its devices.

use std::sync::PoisonError;

use gateway_core::{
    Drainer, Evictions, LeaseKeeper, Locals, Now, Prober, Router,
    drainer::{self, DrainSettings},
    evictions, lease, prober, router,
};
use rand::rngs::StdRng;

use super::Hub;
use chatcluster_manager::Manager;

/// The machines.
#[derive(Debug)]
pub(super) struct Machines {
    /// The devices that this gateway holds.
    pub locals: Locals,
    /// Where messages go.
    pub router: Router,
    /// The lease, and what its loss means.
    pub lease: LeaseKeeper,
    /// The backstop.
    pub prober: Prober,
    /// Sessions that devices have left behind.
    pub evictions: Evictions,
    /// How the gateway stops.
    pub drainer: Drainer,
    /// Chance, for incarnations and jitter.
    pub rng: StdRng,
}

/// What the machines want done.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// By the router.
    pub router: Vec<router::Effect>,
    /// By the lease keeper.
    pub lease: Vec<lease::Effect>,
    /// By the prober.
    pub prober: Vec<prober::Effect>,
    /// By the evictions.
    pub evictions: Vec<evictions::Effect>,
    /// By the drainer.
    pub drainer: Vec<drainer::Effect>,
}

impl Machines {
    pub(super) fn new(drain: DrainSettings, now: Now) -> Self {
        let mut rng: StdRng = rand::make_rng();
        let lease = LeaseKeeper::new(&mut rng);
        let (mut router, mut evictions) = (Router::default(), Evictions::default());
        for own in lease.own() {
            router.take_incarnation(*own);
            evictions.take_incarnation(*own);
        }
        Self {
            locals: Locals::default(),
            router,
            lease,
            prober: Prober::new(now),
            evictions,
            drainer: Drainer::new(drain),
            rng,
        }
    }
}

impl<M: Manager> Hub<M> {
    /// Tells the machines something, then carries out what they want.
    pub(super) fn tell(&self, tell: impl FnOnce(&mut Machines, Now, &mut Out)) {
        let mut out = Out::default();
        {
            let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
            tell(&mut machines, self.clock.now(), &mut out);
        }
        self.carry_out(out);
    }

    fn carry_out(&self, out: Out) {
        for effect in out.lease {
            self.lease_effect(effect);
        }
        for effect in out.evictions {
            self.eviction_effect(effect);
        }
        for effect in out.router {
            self.router_effect(effect);
        }
        for effect in out.prober {
            self.prober_effect(effect);
        }
        for effect in out.drainer {
            self.drainer_effect(effect);
        }
    }
}
