//! The gateway among others and in time: lease, probes, drain, and the ticks of all machines.

use std::{sync::Arc, time::Duration};

use chatcluster_manager::{Incarnation as Id, Manager, Renewal as Found};
use gateway_core::{
    drainer, lease,
    lease::Renewal,
    prober,
    session::{Input, Phase},
};
use tokio::time::MissedTickBehavior;

use super::{Hub, gateway_of};
use crate::metrics::count;

/// How often the router and the sessions are asked whether something is due. Their deadlines are retries,
/// late answers and heartbeats, which are counted in seconds.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many looks make a second, which is what the other machines want.
const LOOKS: u32 = 10;

/// How many seconds lie between two counts of the sessions by phase.
const COUNT_EVERY: u32 = 5;

impl<M: Manager> Hub<M> {
    /// Gives the machines time until the gateway has [`Self::finished`].
    pub async fn run(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        // After a pause one tick is as good as many.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = 0;
        while self.finished.run_until_cancelled(looks.tick()).await.is_some() {
            self.tell(|machines, now, out| machines.look(now, out));
            for connection in self.deadlines.due(self.clock.now().monotonic) {
                if let Some(cell) = self.sessions.get(connection) {
                    cell.wake();
                }
            }
            if look % LOOKS == 0 {
                self.tick();
            }
            if look % (LOOKS * COUNT_EVERY) == 0 {
                self.count();
            }
            look += 1;
        }
    }

    /// The gateway was told to stop.
    pub fn drain(&self) {
        self.tell(|machines, now, _| machines.drainer.start(now));
    }

    /// How many deliveries have not ended.
    pub fn undelivered(&self) -> usize {
        let mut undelivered = 0;
        self.tell(|machines, _, _| undelivered = machines.router.pending());
        undelivered
    }

    fn tick(&self) {
        let open = self.open_connections();
        self.tell_with_chance(|machines, now, rng, out| machines.tick(now, open, rng, out));
    }

    pub(super) fn lease_effect(&self, effect: lease::Effect) {
        use lease::Effect;
        match effect {
            Effect::Renew(incarnation) => self.beside(async move |hub| {
                let lease = hub.lease_of(incarnation);
                let found = hub.asked(hub.manager.renew(&lease, lease::TTL)).await;
                count(&hub.metrics.lease_renewals, renewal_label(&found));
                let found = found.map(|found| match found {
                    Found::Kept => Renewal::Kept,
                    Found::Created => Renewal::Created,
                });
                hub.tell_with_chance(|machines, now, rng, out| {
                    machines.lease.renewed(now, found, rng, &mut out.lease);
                });
            }),
            Effect::End(incarnation) => self.beside(async move |hub| {
                // Not answered: it runs out by itself.
                let _ = hub.asked(hub.manager.end(Id(incarnation.0))).await;
            }),
            Effect::ReadLeases => self.beside(async move |hub| {
                let found = hub.asked(hub.manager.leases()).await;
                let found = found.map(|leases| leases.iter().map(gateway_of).collect());
                hub.tell(|machines, _, out| machines.lease.leases(found, &mut out.lease));
            }),
            Effect::ReadShards => self.beside(async move |hub| {
                let found = hub.asked(hub.manager.shards()).await.map(|map| map.masters);
                hub.tell(|machines, now, _| machines.lease.shards(now, found));
            }),
            Effect::TakeIncarnation(own) => {
                tracing::warn!(incarnation = %own, "the lease lapsed: a new incarnation begins");
                self.tell(|machines, _, _| {
                    self.own.store(Arc::new(machines.lease.own().to_vec()));
                    machines.take_incarnation(own);
                });
            }
            Effect::Reassert(connections) => {
                for connection in connections {
                    self.feed_connection(connection, Input::Reassert);
                }
            }
            Effect::Gateways { asked, alive } => self.tell(|machines, now, out| {
                machines.gateways(now, asked, &alive, out);
            }),
            Effect::ProbeAll => self.tell(|machines, now, _| machines.prober.probe_all(now)),
            Effect::GatewayLost(other) => {
                tracing::info!(incarnation = %other, "a gateway's lease is over: probing all sessions");
                self.tell(|machines, now, _| machines.prober.probe_all(now));
            }
        }
    }

    pub(super) fn prober_effect(&self, effect: prober::Effect) {
        use prober::Effect;
        match effect {
            Effect::Probe { probe, devices, older_than } => self.beside(async move |hub| {
                let waiting = hub.messages.probe(&devices, older_than).await;
                hub.tell(|machines, now, out| {
                    let locals = &machines.locals;
                    machines.prober.probed(now, probe, waiting, locals, &mut out.prober);
                });
            }),
            Effect::ReadAgain(connection) => self.feed_connection(connection, Input::ReadAgain),
        }
    }

    pub(super) fn drainer_effect(&self, effect: drainer::Effect) {
        use drainer::Effect;
        match effect {
            Effect::Refuse => {
                tracing::info!("refusing new connections");
                self.refusing.cancel();
            }
            Effect::TakeTokens { want, rate } => self.beside(async move |hub| {
                let taken = hub.asked(hub.manager.take_drain_tokens(want, rate)).await;
                hub.tell_with_chance(|machines, now, rng, out| {
                    let locals = &machines.locals;
                    machines.drainer.tokens(now, taken, locals, rng, &mut out.drainer);
                });
            }),
            Effect::Drain { connection, after } => {
                self.feed_connection(connection, Input::Drain(after));
            }
            Effect::DrainNow { connection, after } => {
                self.feed_connection(connection, Input::DrainNow(after));
            }
            Effect::Finished => self.finished.cancel(),
        }
    }

    /// Figures that are counted rather than kept.
    fn count(&self) {
        let mut phases = [0i64; 4];
        for cell in self.sessions.all() {
            phases[cell.lock().session.phase() as usize] += 1;
        }
        for phase in [Phase::AwaitHello, Phase::CatchingUp, Phase::Live, Phase::Closing] {
            self.metrics
                .sessions
                .get_or_create(&phase_label(phase).into())
                .set(phases[phase as usize]);
        }
        self.tell(|machines, _, _| {
            let counts = machines.router.counts();
            let family = &self.metrics.deliveries;
            for (kind, total) in [
                ("queued", counts.queued),
                ("overloaded", counts.overloaded),
                ("no_route", counts.no_route),
                ("not_here", counts.not_here),
                ("manager_away", counts.manager_away),
                ("lookups_full", counts.lookups_full),
                ("peer_full", counts.peer_full),
            ] {
                let counter = family.get_or_create(&kind.into());
                counter.inc_by(total.saturating_sub(counter.get()));
            }
            let counts = machines.router.typing_counts();
            for (kind, total) in [
                ("nobody", counts.nobody),
                ("late", counts.late),
                ("manager_away", counts.manager_away),
                ("lookups_full", counts.lookups_full),
                ("peer_retried", counts.peer_busy),
            ] {
                let counter = self.metrics.typing.get_or_create(&kind.into());
                counter.inc_by(total.saturating_sub(counter.get()));
            }
            self.metrics.deliveries_pending.set(machines.router.pending() as i64);
        });
    }
}

fn renewal_label(found: &Result<Found, gateway_core::Away>) -> &'static str {
    match found {
        Ok(Found::Kept) => "kept",
        Ok(Found::Created) => "created",
        Err(_) => "failed",
    }
}

fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::AwaitHello => "await_hello",
        Phase::CatchingUp => "catching_up",
        Phase::Live => "live",
        Phase::Closing => "closing",
    }
}
