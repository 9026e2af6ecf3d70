//! The calls of the manager that sessions ask for.

use chatcluster_manager::{self as manager, Claim, Lease, Manager, MemoryManager, Touched};
use gateway_core::{
    Away, ConnectionId, Device,
    session::{Claimed, Input, Reclaimed, Touched as Found},
};

use super::convert::route_of;
use crate::{coverage::hit, network::Node, trace::trace, world::World};

impl World {
    pub(super) fn claim(
        &mut self,
        at: usize,
        connection: ConnectionId,
        device: Device,
        last_epoch: Option<u64>,
    ) {
        let who = device.clone();
        let (lease, claim) = self.claim_of(at, connection, device, last_epoch);
        let ask = async move |manager: MemoryManager| manager.claim(&lease, &claim).await;
        self.ask_manager(at, ask, move |world, found| {
            let found = found.map(|found| claimed(&found));
            match &found {
                Ok(Claimed { previous: None, .. }) => hit("claim: none before"),
                Ok(Claimed { previous: Some(route), .. }) if route.connection == connection => {
                    hit("claim: own before");
                }
                Ok(_) => {}
                Err(Away) => hit("claim: failed"),
            }
            trace!(world, Node::Gateway(at), "{connection:?} of {who:?} claimed: {found:?}");
            world.answered(at, connection, Input::Claimed(found));
        });
    }

    pub(super) fn reclaim(
        &mut self,
        at: usize,
        connection: ConnectionId,
        device: Device,
        epoch: u64,
    ) {
        let who = device.clone();
        let (lease, claim) = self.claim_of(at, connection, device, Some(epoch));
        let ask = async move |manager: MemoryManager| manager.reclaim(&lease, &claim).await;
        self.ask_manager(at, ask, move |world, found| {
            let found = found.map(|found| match found {
                manager::Reclaimed::Claimed(found) => Reclaimed::Claimed(claimed(&found)),
                manager::Reclaimed::Replaced(by) => Reclaimed::Replaced(route_of(&by)),
            });
            hit(match &found {
                Ok(Reclaimed::Claimed(_)) => "reclaim: taken",
                Ok(Reclaimed::Replaced(_)) => "reclaim: replaced",
                Err(Away) => "reclaim: failed",
            });
            trace!(world, Node::Gateway(at), "{connection:?} of {who:?} reclaimed: {found:?}");
            world.answered(at, connection, Input::Reclaimed(found));
        });
    }

    fn claim_of(
        &self,
        at: usize,
        connection: ConnectionId,
        device: Device,
        last_epoch: Option<u64>,
    ) -> (Lease, Claim) {
        let gateway = &self.gateways[at];
        let now = gateway.clock.wall(self.now);
        let Device { user, device } = device;
        let claim = Claim { user, device, connection: connection.0, last_epoch, now };
        (gateway.lease_of(gateway.present()), claim)
    }

    pub(super) fn touch(
        &mut self,
        at: usize,
        connection: ConnectionId,
        device: Device,
        epoch: u64,
    ) {
        let ask = async move |manager: MemoryManager| {
            manager.touch(&device.user, &device.device, epoch).await
        };
        self.ask_manager(at, ask, move |world, found| {
            let found = found.map(|touched| match touched {
                Touched::Held => Found::Held,
                Touched::Gone => Found::Gone,
                Touched::Replaced(by) => Found::Replaced(route_of(&by)),
            });
            match &found {
                Ok(Found::Held) => hit("touch: held"),
                Ok(Found::Gone) => hit("touch: gone"),
                Ok(Found::Replaced(_)) => hit("touch: replaced"),
                Err(Away) => {}
            }
            trace!(world, Node::Gateway(at), "{connection:?} touched: {found:?}");
            world.answered(at, connection, Input::Touched(found));
        });
    }
}

fn claimed(found: &manager::Claimed) -> Claimed {
    Claimed { epoch: found.epoch, previous: found.previous.as_ref().map(route_of) }
}
