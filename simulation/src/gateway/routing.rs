//! The router's effects: pushes go to sessions of this gateway, to peers, or wait for a route.

use chatcluster_manager::{Manager, MemoryManager};
use chatcluster_protocol::peer::Outcome;
use gateway_core::{ConnectionId, Device, Push, router::Effect};

use super::{convert::route_of, links::Full};
use crate::{
    coverage::hit,
    network::{Node, Wire},
    trace::trace,
    world::World,
};

impl World {
    /// Routes what is stored, each for its devices.
    pub(super) fn route_all(&mut self, at: usize, stored: Vec<(Push, Vec<Device>)>) {
        self.tell(at, |machines, now, out| {
            for (push, devices) in stored {
                machines.router.route(now, &push, devices, &machines.locals, &mut out.router);
            }
        });
    }

    pub(super) fn router_effect(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Local { delivery, connection, epoch, push } => {
                let outcome = self.deliver_here(at, connection, epoch, push);
                self.outcome(at, delivery, 0, outcome);
            }
            Effect::Remote { gateway, delivery, push, targets } => {
                hit("route: cached gateway");
                let count = targets.len() as u32;
                let sent = self.send_to_peer(at, &gateway, Wire::Deliver(delivery, push, targets));
                if let Err(Full) = sent {
                    for target in 0..count {
                        self.outcome(at, delivery, target, Outcome::Unknown);
                    }
                }
            }
            Effect::ProbeAll { gateway, delivery } => {
                if let Err(Full) = self.send_to_peer(at, &gateway, Wire::Probe(delivery)) {
                    self.outcome(at, delivery, 0, Outcome::Unknown);
                }
            }
            Effect::LocalTyping { connection, epoch, frame } => {
                hit("typing: local");
                self.show_typing(at, connection, epoch, frame);
            }
            Effect::RemoteTyping { gateway, at: since, frame, targets } => {
                self.tell_peer_typing(at, &gateway, since, frame, targets);
            }
            Effect::DropLink(gateway) => {
                self.drop_link(at, gateway);
                self.tell(at, |machines, now, _| machines.evictions.link_lost(now, gateway));
            }
            Effect::Absent { .. } => hit("route: nobody is there"),
            Effect::Lookup { lookup, users } => {
                let asked = users.clone();
                let ask = async move |manager: MemoryManager| manager.routes(&asked).await;
                self.ask_manager(at, ask, move |world, found| {
                    let found = found.map(|found| {
                        let routes = |routes: Vec<_>| {
                            let one = |(device, route)| (device, route_of(&route));
                            routes.into_iter().map(one).collect::<Vec<_>>()
                        };
                        found.into_iter().map(routes).collect::<Vec<_>>()
                    });
                    match &found {
                        Err(_) => hit("lookup: failed"),
                        Ok(all) if all.iter().all(Vec::is_empty) => hit("lookup: none"),
                        Ok(_) => hit("lookup: found"),
                    }
                    trace!(world, Node::Gateway(at), "looked up {users:?}: {found:?}");
                    world.tell(at, |machines, now, out| {
                        let locals = &machines.locals;
                        machines.router.routes(now, lookup, found, locals, &mut out.router);
                    });
                });
            }
        }
    }

    pub(super) fn deliver_here(
        &mut self,
        at: usize,
        connection: ConnectionId,
        epoch: u64,
        push: Push,
    ) -> Outcome {
        let id = push.id;
        let outcome = if self.is_listed(at, connection) {
            self.work_on(at, connection, |session, env| session.deliver(epoch, push, env))
        } else {
            None
        };
        let outcome = outcome.unwrap_or(Outcome::NotHere);
        trace!(
            self,
            Node::Gateway(at),
            "delivery of {id} to {connection:?} at {epoch}: {outcome:?}"
        );
        outcome
    }

    pub(super) fn outcome(&mut self, at: usize, delivery: u64, target: u32, outcome: Outcome) {
        hit(match outcome {
            Outcome::Queued => "delivery: queued",
            Outcome::NotHere => "delivery: not here",
            Outcome::Overloaded => "delivery: overloaded",
            Outcome::Unknown => "delivery: unknown",
        });
        self.tell(at, |machines, now, out| {
            machines.router.outcome(now, delivery, target, outcome, &mut out.router);
        });
    }
}
