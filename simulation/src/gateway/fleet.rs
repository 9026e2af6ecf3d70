//! The gateway among others and in time: lease, probes, drain.

use chatcluster_manager::{Incarnation as Id, Manager, MemoryManager, Renewal as Found};
use gateway_core::{
    Revocation, drainer, lease, lease::Renewal, prober, registrar, revocations, session::Input,
};

use super::convert::gateway_of;
use crate::{
    clock::{S, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// How soon another gateway takes the place of one that has left.
const REPLACED: Time = 5 * S;

impl World {
    /// A gateway is told to stop.
    pub(crate) fn drain_gateway(&mut self, at: usize) {
        trace!(self, Node::Gateway(at), "is told to stop");
        self.gateways[at].draining = true;
        self.tell(at, |machines, now, _| machines.drainer.start(now));
    }

    pub(super) fn tick_machines(&mut self, at: usize) {
        let open = self.gateways[at].cells.values().filter(|cell| cell.listed).count();
        self.tell_with_chance(at, |machines, now, rng, out| machines.tick(now, open, rng, out));
    }

    pub(super) fn lease_effect(&mut self, at: usize, effect: lease::Effect) {
        use lease::Effect;
        match effect {
            Effect::Renew(incarnation) => {
                let lease = self.gateways[at].lease_of(incarnation);
                let ask =
                    async move |manager: MemoryManager| manager.renew(&lease, lease::TTL).await;
                self.ask_manager(at, ask, move |world, found| {
                    let found = found.map(|found| match found {
                        Found::Kept => Renewal::Kept,
                        Found::Created => Renewal::Created,
                    });
                    hit(match found {
                        Ok(Renewal::Kept) => "lease: kept",
                        Ok(Renewal::Created) => "lease: created",
                        Err(_) => "lease: failed",
                    });
                    world.tell_with_chance(at, |machines, now, rng, out| {
                        machines.lease.renewed(now, found, rng, &mut out.lease);
                    });
                });
            }
            Effect::End(incarnation) => {
                let ask = async move |manager: MemoryManager| manager.end(Id(incarnation.0)).await;
                self.ask_manager(at, ask, |_, _| {});
            }
            Effect::ReadLeases => {
                let ask = async |manager: MemoryManager| manager.leases().await;
                self.ask_manager(at, ask, move |world, found| {
                    let found = found.map(|leases| leases.iter().map(gateway_of).collect());
                    world.tell(at, |machines, _, out| machines.lease.leases(found, &mut out.lease));
                });
            }
            Effect::ReadShards => {
                let ask = async |manager: MemoryManager| manager.shards().await;
                self.ask_manager(at, ask, move |world, found| {
                    let found = found.map(|map| map.masters);
                    world.tell(at, |machines, now, _| machines.lease.shards(now, found));
                });
            }
            Effect::TakeIncarnation(own) => {
                hit("lease: new incarnation");
                trace!(self, Node::Gateway(at), "takes incarnation {own}");
                let gateway = &mut self.gateways[at];
                gateway.own = gateway.machines.lease.own().to_vec();
                self.tell(at, |machines, _, _| machines.take_incarnation(own));
            }
            Effect::Reassert(connections) => {
                trace!(self, Node::Gateway(at), "{connections:?} assert their routes again");
                for connection in connections {
                    hit("reassert");
                    self.feed_connection(at, connection, Input::Reassert);
                }
            }
            Effect::Gateways { asked, alive } => self.tell(at, |machines, now, out| {
                machines.gateways(now, asked, &alive, out);
            }),
            Effect::ProbeAll => {
                hit("lease: probe all");
                self.tell(at, |machines, now, _| machines.prober.probe_all(now));
            }
            Effect::GatewayLost(_) => {
                hit("lease: gateway lost");
                self.tell(at, |machines, now, _| machines.prober.probe_all(now));
            }
        }
    }

    pub(super) fn prober_effect(&mut self, at: usize, effect: prober::Effect) {
        use prober::Effect;
        match effect {
            Effect::Probe { probe, devices, older_than } => {
                self.probe(at, devices, older_than, move |world, waiting| {
                    hit(match &waiting {
                        Ok(positions) if positions.is_empty() => "probe: nothing",
                        Ok(_) => "probe: found",
                        Err(_) => "probe: failed",
                    });
                    world.tell(at, |machines, now, out| {
                        let locals = &machines.locals;
                        machines.prober.probed(now, probe, waiting, locals, &mut out.prober);
                    });
                });
            }
            Effect::ReadAgain(connection) => {
                trace!(self, Node::Gateway(at), "a probe finds something for {connection:?}");
                self.feed_connection(at, connection, Input::ReadAgain);
            }
        }
    }

    pub(super) fn registrar_effect(&mut self, at: usize, effect: registrar::Effect) {
        use registrar::Effect;
        match effect {
            Effect::Seen { call, devices } => {
                self.seen(at, devices, move |world, seen| {
                    world.tell(at, |machines, now, out| {
                        let locals = &machines.locals;
                        machines.registrar.seen(now, call, seen, locals, &mut out.registrar);
                    });
                });
            }
            Effect::Removed(connection) => self.feed_connection(at, connection, Input::Removed),
            Effect::Revoked(connection, before) => {
                self.feed_connection(at, connection, Input::Revoked(before));
            }
        }
    }

    pub(super) fn revocations_effect(&mut self, at: usize, effect: revocations::Effect) {
        use revocations::Effect;
        match effect {
            Effect::Read(from) => self.revocations(at, from, move |world, page| {
                world.tell(at, |machines, now, out| {
                    machines.revocations.read(now, page, &mut out.revocations);
                });
            }),
            Effect::Revoke(all) => {
                let cells = self.gateways[at].cells.iter();
                let revoked: Vec<_> = cells
                    .filter_map(|(connection, cell)| {
                        Some((*connection, Revocation::latest(&all, cell.session.device()?)?))
                    })
                    .collect();
                for (connection, before) in revoked {
                    hit("revocation: in an open session");
                    self.feed_connection(at, connection, Input::Revoked(before));
                }
            }
            Effect::CheckAll => self.tell(at, |machines, now, _| machines.registrar.check_all(now)),
        }
    }

    pub(super) fn drainer_effect(&mut self, at: usize, effect: drainer::Effect) {
        use drainer::Effect;
        match effect {
            Effect::Refuse => self.gateways[at].refusing = true,
            Effect::TakeTokens { want, rate } => {
                let ask =
                    async move |manager: MemoryManager| manager.take_drain_tokens(want, rate).await;
                self.ask_manager(at, ask, move |world, taken| {
                    world.tell_with_chance(at, |machines, now, rng, out| {
                        let locals = &machines.locals;
                        machines.drainer.tokens(now, taken, locals, rng, &mut out.drainer);
                    });
                });
            }
            Effect::Drain { connection, after } => {
                hit("drain: asked");
                self.feed_connection(at, connection, Input::Drain(after));
            }
            Effect::DrainNow { connection, after } => {
                hit("drain: now");
                self.feed_connection(at, connection, Input::DrainNow(after));
            }
            Effect::Finished => {
                hit("drain: finished");
                // The last frames leave, then the lease ends.
                self.later(Node::Gateway(at), 2 * S, move |world| world.leave(at));
            }
        }
    }

    fn leave(&mut self, at: usize) {
        if self.gateways[at].machines.router.pending() > 0 {
            hit("drain: deliveries left");
            self.crash_gateway(at, false);
            return self.at(self.now + REPLACED, move |world| world.revive_gateway(at));
        }
        let present = self.gateways[at].present();
        let ask = async move |manager: MemoryManager| manager.end(Id(present.0)).await;
        self.ask_manager(at, ask, move |world, ended| {
            if ended.is_ok() {
                hit("lease: ended");
            }
            world.crash_gateway(at, false);
            // Another one takes its place, also after all is healed.
            world.at(world.now + REPLACED, move |world| world.revive_gateway(at));
        });
    }
}
