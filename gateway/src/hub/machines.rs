//! The machines that a gateway has one of, under one lock, with the chance that some of them take.

use std::sync::PoisonError;

use chatcluster_manager::Manager;
use gateway_core::{Effects, Machines, Now};
use rand::rngs::StdRng;

use super::Hub;

impl<M: Manager> Hub<M> {
    /// Tells the machines something, then carries out what they want.
    pub(super) fn tell(&self, tell: impl FnOnce(&mut Machines, Now, &mut Effects)) {
        self.tell_with_chance(|machines, now, _, out| tell(machines, now, out));
    }

    /// The same, with chance for incarnations and jitter.
    pub(super) fn tell_with_chance(
        &self,
        tell: impl FnOnce(&mut Machines, Now, &mut StdRng, &mut Effects),
    ) {
        let mut out = Effects::default();
        self.with_machines(|machines, rng| tell(machines, self.clock.now(), rng, &mut out));
        self.carry_out(out);
    }

    /// Changes the machines under their lock, where nothing is to be carried out, or only later.
    pub(super) fn with_machines(&self, change: impl FnOnce(&mut Machines, &mut StdRng)) {
        let mut guard = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let (machines, rng) = &mut *guard;
        change(machines, rng);
    }

    pub(super) fn carry_out(&self, out: Effects) {
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
        for effect in out.registrar {
            self.registrar_effect(effect);
        }
        for effect in out.revocations {
            self.revocations_effect(effect);
        }
        for effect in out.presence {
            self.presence_effect(effect);
        }
        for effect in out.drainer {
            self.drainer_effect(effect);
        }
    }
}
