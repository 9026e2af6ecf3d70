//! Who is where: the words that all machines of this crate share.

use std::{fmt, sync::Arc, time::Duration};

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};
use uuid::Uuid;

/// The two clocks, read by the shell just before it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time since the program's start. All deadlines are measured by it.
    pub monotonic: Duration,
    /// The wall clock, milliseconds UTC. It may jump; ids, epochs and token expiry need it.
    pub wall: Millis,
}

/// A device of a user: what has an inbox and at most one route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
}

impl Device {
    /// Where the devices of a user begin, in order.
    pub(crate) fn lowest_of(user: &UserId) -> Self {
        Self { user: user.clone(), device: DeviceId::lowest() }
    }
}

/// A connection of this gateway, counted from the program's start and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One life of a gateway. A gateway that cannot prove that its lease never lapsed takes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub Uuid);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

/// A gateway as its peers reach it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    /// Which life of it. An address alone proves nothing: another gateway may have it by now.
    pub incarnation: Incarnation,
    /// Host of its peer port.
    pub host: Arc<str>,
    /// Its peer port.
    pub port: u16,
}

/// Where a device is: the gateway, its address and port, and the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The gateway that holds the connection.
    pub gateway: Gateway,
    /// The connection on it.
    pub connection: ConnectionId,
    /// Rises with each claim of the device.
    pub epoch: u64,
}

/// A device as a delivery or an eviction names it: right only for this connection and epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The device.
    pub device: Device,
    /// The connection on the gateway that is asked.
    pub connection: ConnectionId,
    /// The epoch of the route.
    pub epoch: u64,
}

/// A service did not answer, or not in time. Nothing is known of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away;
