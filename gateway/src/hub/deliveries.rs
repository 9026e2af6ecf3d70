//! The router's effects: pushes go to sessions of this gateway, to peers, or wait for a route.

use std::sync::Arc;

use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::{
    id::{DeviceId, UserId},
    peer::Outcome,
};
use gateway_core::{
    Away, ConnectionId, Device, Gateway, Push, Route, router::Effect, session::Shown,
};

use super::{Hub, route_of};
use crate::{
    metrics::count,
    peers::{Full, Item},
    sessions::Cell,
};

impl<M: Manager> Hub<M> {
    /// Routes what is stored, each for its devices.
    pub(super) fn route_all(&self, stored: Vec<(Push, Vec<Device>)>) {
        self.tell(|machines, now, out| {
            for (push, devices) in stored {
                machines.router.route(now, &push, devices, &machines.locals, &mut out.router);
            }
        });
    }

    pub(super) fn router_effect(&self, effect: Effect) {
        match effect {
            Effect::Local { delivery, connection, epoch, push } => {
                let outcome = self.deliver_here(connection, epoch, push);
                self.outcome(delivery, 0, outcome);
            }
            Effect::Remote { gateway, delivery, push, targets } => {
                let item = Item::Deliver { sequence: delivery, push: &push, targets: &targets };
                self.send(&gateway, item, delivery, targets.len() as u32);
            }
            Effect::ProbeAll { gateway, delivery } => {
                self.send(&gateway, Item::Probe { sequence: delivery }, delivery, 1);
            }
            Effect::LocalTyping { connection, epoch, frame } => {
                self.show_typing(self.sessions.get(connection), epoch, frame);
            }
            Effect::RemoteTyping { gateway, at, frame, targets } => {
                let item = Item::Typing { at, frame: &frame, targets: &targets };
                if let Err(Full) = self.peers.send(&gateway, item) {
                    count(&self.metrics.typing, "peer_busy");
                }
            }
            Effect::DropLink(gateway) => {
                self.peers.drop_link(gateway);
                self.tell(|machines, now, _| machines.evictions.link_lost(now, gateway));
            }
            Effect::Absent { user, push } => {
                if let Some(webhook) = &self.webhook {
                    webhook.absent(user, push);
                }
            }
            Effect::Lookup { lookup, users } => self.beside(async move |hub| {
                let found = hub.routes(&users).await;
                hub.tell(|machines, now, out| {
                    let locals = &machines.locals;
                    machines.router.routes(now, lookup, found, locals, &mut out.router);
                });
            }),
        }
    }

    /// Hands a push to a session of this gateway.
    pub(super) fn deliver_here(&self, connection: ConnectionId, epoch: u64, push: Push) -> Outcome {
        match self.sessions.get(connection) {
            Some(cell) => self.work_on(&cell, |session, env| session.deliver(epoch, push, env)),
            None => Outcome::NotHere,
        }
    }

    /// The user of a session is typing to somebody.
    pub(super) fn typing(&self, to: &UserId, frame: Bytes) {
        self.tell(|machines, now, out| {
            machines.router.typing(now, to, frame, &machines.locals, &mut out.router);
        });
    }

    /// Shows a session of this gateway that somebody is typing.
    pub(super) fn show_typing(&self, cell: Option<Arc<Cell>>, epoch: u64, frame: Bytes) {
        let shown = cell.map_or(Shown::NotHere, |cell| {
            self.work_on(&cell, |session, env| session.show_typing(epoch, frame, env))
        });
        match shown {
            Shown::Handed => {}
            Shown::Busy => count(&self.metrics.typing, "busy"),
            Shown::NotHere => count(&self.metrics.typing, "not_here"),
        }
    }

    fn send(&self, to: &Gateway, item: Item<'_>, delivery: u64, targets: u32) {
        if let Err(Full) = self.peers.send(to, item) {
            count(&self.metrics.queue_full, "peer");
            for target in 0..targets {
                self.outcome(delivery, target, Outcome::Unknown);
            }
        }
    }

    pub(super) fn outcome(&self, delivery: u64, target: u32, outcome: Outcome) {
        self.tell(|machines, now, out| {
            machines.router.outcome(now, delivery, target, outcome, &mut out.router);
        });
    }

    async fn routes(&self, users: &[UserId]) -> Result<Vec<Vec<(DeviceId, Route)>>, Away> {
        let found = self.asked(self.manager.routes(users)).await?;
        let of_user = |routes: Vec<(DeviceId, chatcluster_manager::Route)>| {
            routes.into_iter().map(|(device, route)| (device, route_of(&route))).collect()
        };
        Ok(found.into_iter().map(of_user).collect())
    }
}
