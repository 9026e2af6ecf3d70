//! What the product's machines are told, and their effects.

use std::time::Duration;

use gateway_core::{Effects, Machines, Now, drainer::DrainSettings};
use rand::Rng;

use crate::{chance::Chance, world::World};

/// Slow enough that several steps are needed, and that some are left at the end.
const DRAIN: DrainSettings = DrainSettings {
    grace: Duration::from_secs(1),
    rate_per_second: 4,
    timeout: Duration::from_secs(6),
};

/// The machines of a gateway that starts.
pub(super) fn machines(now: Now, chance: &mut Chance) -> Machines {
    Machines::new(DRAIN, now, &mut chance.0)
}

impl World {
    /// Tells the machines something, then carries out what they want.
    pub(super) fn tell(&mut self, at: usize, tell: impl FnOnce(&mut Machines, Now, &mut Effects)) {
        self.tell_with_chance(at, |machines, now, _, out| tell(machines, now, out));
    }

    /// The same, with chance.
    pub(super) fn tell_with_chance(
        &mut self,
        at: usize,
        tell: impl FnOnce(&mut Machines, Now, &mut dyn Rng, &mut Effects),
    ) {
        let mut out = Effects::default();
        let gateway = &mut self.gateways[at];
        let now = gateway.clock.now(self.now);
        tell(&mut gateway.machines, now, &mut gateway.chance.0, &mut out);
        self.carry_out(at, out);
    }

    pub(super) fn carry_out(&mut self, at: usize, out: Effects) {
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
        for effect in out.registrar {
            self.registrar_effect(at, effect);
        }
        for effect in out.revocations {
            self.revocations_effect(at, effect);
        }
        for effect in out.presence {
            self.presence_effect(at, effect);
        }
        for effect in out.drainer {
            self.drainer_effect(at, effect);
        }
    }
}
