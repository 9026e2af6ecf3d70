//! What other gateways ask for over the links that they have opened, and the evictions' effects.

use chatcluster_protocol::peer::Outcome;
use gateway_core::{Target, evictions, session::Input};

use super::links::Full;
use crate::{
    coverage::hit,
    network::{Node, StreamId, Wire},
    trace::trace,
    world::World,
};

impl World {
    pub(crate) fn peer_says(&mut self, at: usize, stream: StreamId, wire: Wire) {
        match wire {
            Wire::Hello(wanted) => {
                let present = self.gateways[at].present();
                self.send(stream, 1, Wire::Welcome(present));
                if wanted != present {
                    self.hang_up(stream, 1);
                }
            }
            Wire::Deliver(sequence, push, targets) => {
                let mut outcomes = Vec::with_capacity(targets.len());
                for (target, position) in targets.into_iter().zip(0..) {
                    let outcome = if self.is_meant(at, &target) {
                        self.deliver_here(at, target.connection, target.epoch, push.clone())
                    } else {
                        Outcome::NotHere
                    };
                    outcomes.push((sequence, position, outcome));
                }
                self.send(stream, 1, Wire::Outcomes(outcomes));
            }
            Wire::Typing(since, frame, targets) => self.peer_types(at, since, &frame, targets),
            Wire::Evict(sequence, target) => {
                if self.is_meant(at, &target) {
                    trace!(self, Node::Gateway(at), "evicts {:?}", target.connection);
                    self.feed(at, target.connection, Input::Evict(target.epoch));
                }
                self.send(stream, 1, Wire::Evicted(sequence));
            }
            Wire::Probe(sequence) => {
                hit("probe: all, asked by a peer");
                self.tell(at, |machines, now, _| machines.prober.probe_all(now));
                self.send(stream, 1, Wire::Outcomes(vec![(sequence, 0, Outcome::Queued)]));
            }
            Wire::End => self.hang_up(stream, 1),
            _ => {}
        }
    }

    /// The connection is still that of this device.
    pub(super) fn is_meant(&self, at: usize, target: &Target) -> bool {
        let cell = self.gateways[at].cells.get(&target.connection).filter(|cell| cell.listed);
        cell.is_some_and(|cell| cell.session.device() == Some(&target.device))
    }

    pub(super) fn eviction_effect(&mut self, at: usize, effect: evictions::Effect) {
        use evictions::Effect;
        match effect {
            Effect::Local { connection, epoch } => {
                hit("eviction: local");
                trace!(self, Node::Gateway(at), "evicts its own {connection:?} at {epoch}");
                self.feed_connection(at, connection, Input::Evict(epoch));
            }
            Effect::Remote { gateway, eviction, target } => {
                hit("eviction: remote");
                let item = Wire::Evict(eviction, target);
                if let Err(Full) = self.send_to_peer(at, &gateway, item) {
                    let lost = gateway.incarnation;
                    self.tell(at, |machines, now, _| machines.evictions.link_lost(now, lost));
                }
            }
            Effect::ReadAgain(connection) => {
                hit("eviction: read again");
                self.feed_connection(at, connection, Input::ReadAgain);
            }
        }
    }
}
