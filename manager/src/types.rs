//! Routes, leases and what can be asked about them.

use std::{fmt, time::Duration};

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of a gateway: its pod, or its process in local mode. Stays over restarts.
pub type GatewayName = String;

/// One life of a gateway. A gateway that cannot prove that its lease never lapsed takes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub Uuid);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

/// A gateway's claim to be alive, for 15 s at a time. Its routes are worth as much as its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Which life of the gateway.
    pub incarnation: Incarnation,
    /// Its name.
    pub gateway: GatewayName,
    /// Host under which its peers reach it.
    pub host: String,
    /// Port under which its peers reach it.
    pub port: u16,
}

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease was there and goes on.
    Kept,
    /// The lease was not there: it is the first, it ran out, or the manager lost it. Said again for
    /// a lease whose creation this manager did not hear of, because the answer was lost.
    Created,
}

/// Where a device is: the mission's "port of an online user".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The gateway that holds the connection.
    pub gateway: GatewayName,
    /// Host under which its peers reach it.
    pub host: String,
    /// Port under which its peers reach it.
    pub port: u16,
    /// The connection, counted by the gateway.
    pub connection: u64,
    /// The life of the gateway that this is true of.
    pub incarnation: Incarnation,
    /// Rises with each claim of the device, so that an old connection's late goodbye removes nothing.
    pub epoch: u64,
}

/// A gateway says that it holds a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The connection on the claiming gateway.
    pub connection: u64,
    /// The epoch that the client was last welcomed with.
    pub last_epoch: Option<u64>,
    /// The gateway's clock.
    pub now: Millis,
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The epoch of the new route: max(old + 1, the client's last + 1, now); below 2^53.
    pub epoch: u64,
    /// Who held the device before, whether or not its lease still lives. The claiming gateway has it
    /// evict. It is the claiming connection itself when a route is asserted again, and may be when a
    /// claim is repeated whose answer was lost; who was before that learns it from its next touch.
    pub previous: Option<Route>,
}

/// What a claim found that gives way to a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reclaimed {
    /// The claiming connection holds the device.
    Claimed(Claimed),
    /// A claim with a higher epoch holds it: the route that is there, unchanged.
    Replaced(Route),
}

/// What a touch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// The route is as it was.
    Held,
    /// There is none: the manager lost it. It is claimed again.
    Gone,
    /// Another claim has replaced it.
    Replaced(Route),
}

/// Whether a user is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presence {
    /// A device of theirs has a route whose lease lives.
    pub online: bool,
    /// How long ago a route of theirs was claimed, touched or released last; `None` where nothing is known
    /// of them. A gateway that crashed has touched each of its routes within minutes before.
    pub seen: Option<Duration>,
}

/// Who is master of which part of the users. A change says that claims of that part may be lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardMap {
    /// For each range of hash slots (first, last): an opaque name of its master, which changes with it.
    pub masters: Vec<(u16, u16, String)>,
}

impl ShardMap {
    /// The name of a slot's master; `None` where no node has the slot.
    pub fn master_of(&self, slot: u16) -> Option<&str> {
        self.masters
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&slot))
            .map(|(_, _, name)| name.as_str())
    }
}

/// The manager did not answer, or not in time. Nothing is known of the outcome.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} at the WebSocket manager failed: {reason}")]
pub struct ManagerError {
    /// What was asked.
    pub operation: &'static str,
    /// What came back.
    pub reason: String,
}
