//! Which devices this gateway holds. One per gateway, shared by its machines.

use std::collections::BTreeMap;

use chatcluster_protocol::id::UserId;

use crate::{ConnectionId, Device};

/// The welcomed sessions of this gateway, by device. Of several sessions of one device the later counts,
/// but it may be the one whose client is gone, so the earlier ones are known until they end.
#[derive(Debug, Default)]
pub struct Locals {
    sessions: BTreeMap<Device, Local>,
    /// By epoch. Seldom there is one, and not for long.
    earlier: BTreeMap<Device, Vec<Local>>,
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
    /// Carries out [`crate::session::Effect::Hold`]. The later of two sessions is the one with the higher
    /// epoch, whichever connection was accepted first.
    pub fn hold(&mut self, device: Device, local: Local) {
        let mut all: Vec<_> = self.of(&device).collect();
        all.retain(|other| other.connection != local.connection);
        let place = all.partition_point(|other| other.epoch > local.epoch);
        all.insert(place, local);
        self.put(device, all);
    }

    /// Carries out [`crate::session::Effect::Unhold`]. Other sessions of the device stay.
    pub fn remove(&mut self, device: &Device, connection: ConnectionId) {
        let others = self.of(device).filter(|local| local.connection != connection).collect();
        self.put(device.clone(), others);
    }

    /// These are the sessions of a device, the latest first.
    fn put(&mut self, device: Device, mut all: Vec<Local>) {
        let earlier = all.split_off(all.len().min(1));
        if earlier.is_empty() {
            self.earlier.remove(&device);
        } else {
            self.earlier.insert(device.clone(), earlier);
        }
        match all.pop() {
            Some(latest) => self.sessions.insert(device, latest),
            None => self.sessions.remove(&device),
        };
    }

    /// The sessions of a device, the latest first.
    pub(crate) fn of(&self, device: &Device) -> impl Iterator<Item = Local> {
        self.get(device).into_iter().chain(self.earlier.get(device).into_iter().flatten().copied())
    }

    /// The latest session of a device.
    pub fn get(&self, device: &Device) -> Option<Local> {
        self.sessions.get(device).copied()
    }

    /// The latest session of each device of a user.
    pub(crate) fn of_user<'a>(
        &'a self,
        user: &'a UserId,
    ) -> impl Iterator<Item = (&'a Device, Local)> {
        let of_user = self.sessions.range(Device::lowest_of(user)..);
        let of_user = of_user.take_while(move |(device, _)| device.user == *user);
        of_user.map(|(device, local)| (device, *local))
    }

    /// The connections of all, in the order of their devices.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.after(None).map(|(_, local)| local.connection)
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// All sessions of the devices after `device` (from the first where `None`), in order.
    pub(crate) fn after<'a>(
        &'a self,
        device: Option<&'a Device>,
    ) -> impl Iterator<Item = (&'a Device, Local)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = device.map_or(Unbounded, Excluded);
        let devices = self.sessions.range::<Device, _>((start, Unbounded));
        devices.flat_map(|(device, latest)| {
            let earlier = self.earlier.get(device).into_iter().flatten();
            std::iter::once(latest).chain(earlier).map(move |local| (device, *local))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{claimed, device};

    #[test]
    fn of_two_sessions_of_a_device_the_one_with_the_higher_epoch_counts() {
        for connections in [[1, 2], [2, 1]] {
            let (mut locals, bob) = (Locals::default(), device("bob", "phone"));
            let [earlier, later] = connections;
            locals.hold(bob.clone(), claimed(later, 20));
            // The earlier one is told that its claim failed, and then ends.
            locals.hold(bob.clone(), Local { claimed: false, ..claimed(earlier, 10) });
            assert_eq!((locals.get(&bob), locals.len()), (Some(claimed(later, 20)), 1));
            locals.remove(&bob, ConnectionId(earlier));
            assert_eq!(locals.get(&bob), Some(claimed(later, 20)));
            locals.hold(bob.clone(), claimed(later, 30));
            assert_eq!(locals.get(&bob), Some(claimed(later, 30)));
            locals.remove(&bob, ConnectionId(later));
            assert!(locals.is_empty() && locals.connections().next().is_none());
        }
    }

    #[test]
    fn an_earlier_session_counts_again_when_the_later_one_has_ended() {
        let (mut locals, bob) = (Locals::default(), device("bob", "phone"));
        locals.hold(device("alice", "phone"), claimed(3, 1));
        for (connection, epoch) in [(1, 10), (5, 30), (2, 20)] {
            locals.hold(bob.clone(), claimed(connection, epoch));
        }
        let connections: Vec<_> = locals.connections().map(|connection| connection.0).collect();
        assert_eq!(connections, [3, 5, 2, 1]);
        locals.remove(&bob, ConnectionId(5));
        assert_eq!(locals.get(&bob), Some(claimed(2, 20)));
        locals.hold(bob.clone(), claimed(1, 40));
        assert_eq!(locals.of(&bob).collect::<Vec<_>>(), [claimed(1, 40), claimed(2, 20)]);
    }
}
