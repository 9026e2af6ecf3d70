//! Which devices this gateway holds. One per gateway, shared by its machines.

use std::collections::BTreeMap;

use crate::{ConnectionId, Device};

/// The welcomed sessions of this gateway, by device. Of two sessions of one device the later counts.
#[derive(Debug, Default)]
pub struct Locals {
    sessions: BTreeMap<Device, Local>,
}

/// A session as the other machines see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Its connection.
    pub connection: ConnectionId,
    /// The epoch that deliveries to it name.
    pub epoch: u64,
    /// The manager has its route.
    pub claimed: bool,
}

impl Locals {
    /// Carries out [`crate::session::Effect::Hold`]. A later session of the device stays: one with a
    /// higher epoch, whichever connection was accepted first.
    pub fn hold(&mut self, device: Device, local: Local) {
        let held = self.sessions.entry(device).or_insert(local);
        if held.connection == local.connection || held.epoch <= local.epoch {
            *held = local;
        }
    }

    /// Carries out [`crate::session::Effect::Unhold`]. A later session of the device stays.
    pub fn remove(&mut self, device: &Device, connection: ConnectionId) {
        if self.sessions.get(device).is_some_and(|local| local.connection == connection) {
            self.sessions.remove(device);
        }
    }

    /// The session of a device.
    pub fn get(&self, device: &Device) -> Option<Local> {
        self.sessions.get(device).copied()
    }

    /// The connections of all, in the order of their devices.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.sessions.values().map(|local| local.connection)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// All after `device` (from the first where `None`), in order.
    pub(crate) fn after<'a>(
        &'a self,
        device: Option<&'a Device>,
    ) -> impl Iterator<Item = (&'a Device, Local)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = device.map_or(Unbounded, Excluded);
        self.sessions.range::<Device, _>((start, Unbounded)).map(|(device, local)| (device, *local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{claimed, device};

    #[test]
    fn of_two_sessions_of_a_device_the_later_counts() {
        let (mut locals, bob) = (Locals::default(), device("bob", "phone"));
        locals.hold(bob.clone(), claimed(2, 20));
        // The earlier one is told that its claim failed, and then ends.
        locals.hold(bob.clone(), Local { claimed: false, ..claimed(1, 10) });
        locals.remove(&bob, ConnectionId(1));
        assert_eq!(locals.get(&bob), Some(claimed(2, 20)));
        locals.hold(bob.clone(), claimed(2, 30));
        assert_eq!(locals.get(&bob), Some(claimed(2, 30)));
        locals.remove(&bob, ConnectionId(2));
        assert!(locals.is_empty());
    }

    #[test]
    fn a_connection_that_was_accepted_late_is_not_the_later_session() {
        let (mut locals, bob) = (Locals::default(), device("bob", "phone"));
        locals.hold(bob.clone(), claimed(8, 10));
        locals.hold(bob.clone(), claimed(7, 20));
        locals.remove(&bob, ConnectionId(8));
        assert_eq!(locals.get(&bob), Some(claimed(7, 20)));
    }
}
