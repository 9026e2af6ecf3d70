//! Where a user is connected, and the end of that, as a backend wants it.

use std::time::Duration;

use chatcluster_manager::{Incarnation as Id, Manager, Route};
use chatcluster_protocol::id::{DeviceId, UserId};
use gateway_core::{Away, ConnectionId, Device, Gateway, Incarnation, Target, session::Input};
use tokio::time::{Instant, sleep};

use super::{Hub, route_of};
use crate::peers::Item;

/// How long connections may take to end: a lost frame is sent again, and a lease that is over ends in 15 s.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether they have ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl<M: Manager> Hub<M> {
    /// The routes of a user whose gateways' leases live.
    pub async fn connections(&self, user: &UserId) -> Result<Vec<(DeviceId, Route)>, Away> {
        let users = std::slice::from_ref(user);
        Ok(self.asked(self.manager.routes(users)).await?.pop().unwrap_or_default())
    }

    /// Ends the connections that a user has now, or those of one device, and says which devices had one. Goes
    /// on asking until the manager has none of them any more.
    pub async fn disconnect(
        &self,
        user: &UserId,
        device: Option<&DeviceId>,
    ) -> Result<Vec<DeviceId>, Away> {
        let wanted = |(name, _): &(DeviceId, Route)| device.is_none_or(|device| device == name);
        let mut there = self.connections(user).await?;
        there.retain(wanted);
        let meant: Vec<(DeviceId, Id, u64)> = there.iter().map(place).collect();
        let end = Instant::now() + END_WITHIN;
        while !there.is_empty() {
            for (device, route) in &there {
                self.end(user, device, route);
            }
            if Instant::now() >= end {
                return Err(Away);
            }
            sleep(LOOK_EVERY).await;
            there = self.connections(user).await?;
            // A client that has come back since has another connection. A route that was asserted again has
            // another epoch, and is of the same.
            there.retain(|route| meant.contains(&place(route)));
        }
        Ok(meant.into_iter().map(|(device, ..)| device).collect())
    }

    fn end(&self, user: &UserId, device: &DeviceId, route: &Route) {
        let (gateway, device) = (route_of(route).gateway, device.clone());
        let Gateway { incarnation, .. } = &gateway;
        let (connection, epoch) = (ConnectionId(route.connection), route.epoch);
        if self.is_own(*incarnation) {
            return self.feed_connection(connection, Input::Disconnect(epoch));
        }
        let target = Target { device: Device { user: user.clone(), device }, connection, epoch };
        // Where its queue is full it is asked again.
        let _ = self.peers.send(&gateway, Item::Disconnect { session: &target });
    }

    fn is_own(&self, incarnation: Incarnation) -> bool {
        self.own.load().contains(&incarnation)
    }
}

/// What stays the same for as long as a connection lasts.
fn place((device, route): &(DeviceId, Route)) -> (DeviceId, Id, u64) {
    (device.clone(), route.incarnation, route.connection)
}
