//! A backend of the people who run the service: it removes devices and revokes tokens over HTTP, and repeats
//! what has no answer. Some give up.

use std::{cell::Cell, rc::Rc, sync::Arc};

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};
use gateway_core::Device;
use messages_core::repository::{Repository, remove_and_revoke};

use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    network::Node,
    storage::Repo,
    trace::trace,
    world::World,
};

/// How long a backend waits before it repeats.
const WITHIN: Time = 10 * S;

/// What a backend wants.
#[derive(Debug, Clone)]
struct Order {
    user: UserId,
    /// The device, where one is meant.
    device: Option<DeviceId>,
    removal: bool,
    /// It is repeated until it is done: what waits for a device that is lost waits for that.
    patient: bool,
    /// The time of the service's clock when it was asked for this first.
    first: Rc<Cell<Option<Millis>>>,
    answered: Rc<Cell<bool>>,
}

impl World {
    /// Has a device of a user removed.
    pub(crate) fn remove_device(&mut self, device: usize) {
        let patient = self.clients[device].lost;
        let Device { user, device } = self.clients[device].home.clone();
        self.order(user, Some(device), true, patient);
    }

    /// Has the tokens of a device revoked, or those of all devices of its user.
    pub(crate) fn revoke_tokens(&mut self, device: usize, all: bool) {
        let Device { user, device } = self.clients[device].home.clone();
        self.order(user, (!all).then_some(device), false, false);
    }

    fn order(&mut self, user: UserId, device: Option<DeviceId>, removal: bool, patient: bool) {
        let (first, answered) = Default::default();
        self.oracle.orders += 1;
        self.ask_for(Order { user, device, removal, patient, first, answered });
    }

    fn ask_for(&mut self, order: Order) {
        let pod = self.chance.index(self.shape.pods);
        let (way, asked) = (self.chance.between(MS, 20 * MS), order.clone());
        self.later(Node::Pod(pod), way, move |world| world.carry_out_order(pod, asked));
        self.at(self.now + WITHIN, move |world| {
            if order.answered.get() {
                world.oracle.orders -= 1;
            } else if !order.patient && world.chance.one_in(6) {
                hit("backend: gives up");
                world.oracle.orders -= 1;
            } else {
                hit("backend: repeats");
                world.ask_for(order);
            }
        });
    }

    fn carry_out_order(&mut self, pod: usize, order: Order) {
        let now = self.pod_wall(pod);
        let first = order.first.get().unwrap_or(now);
        order.first.set(Some(first));
        self.oracle.ordered(&order.user, order.device.as_ref(), now, order.removal);
        let Order { user, device, removal, .. } = order.clone();
        trace!(self, Node::Pod(pod), "{user}/{device:?}: removal {removal}, revoked before {now}");
        let call = move |repository: Arc<Repo>| async move {
            match device {
                Some(device) if removal => remove_and_revoke(&*repository, user, device, now).await,
                device => repository.revoke(user, device, now).await.map(|()| true),
            }
        };
        self.run_on_pod(pod, call, move |world, found| {
            trace!(world, Node::Pod(pod), "{}/{:?}: {found:?}", order.user, order.device);
            let Ok(there) = found else { return };
            // Some answers are lost.
            order.answered.set(!world.chance.one_in(8));
            match order.device {
                Some(device) if order.removal => {
                    let device = Device { user: order.user, device };
                    world.check_removed(&device, first, there);
                }
                device => world.oracle.revoked(world.now, order.user, device, now),
            }
        });
    }
}
