//! What the router asks for, and how deliveries end.

use bytes::Bytes;
use chatcluster_protocol::{Millis, id::UserId};

use crate::{ConnectionId, Gateway, Incarnation, Push, Target};

/// What the shell does for the router, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Hand the push to a session of this gateway ([`crate::Session::deliver`]) and give what it said
    /// to [`super::Router::outcome`] with target 0; `NotHere` where the connection is gone.
    Local {
        /// Names the delivery.
        delivery: u64,
        /// The connection.
        connection: ConnectionId,
        /// The epoch to deliver for.
        epoch: u64,
        /// The push.
        push: Push,
    },
    /// Send the push over the link to a gateway, opening the link where there is none. Answered by
    /// [`super::Router::outcome`] for each target, or by [`super::Router::link_lost`].
    Remote {
        /// The gateway.
        gateway: Gateway,
        /// Names the delivery: the `sequence` on the wire.
        delivery: u64,
        /// The push.
        push: Push,
        /// Which devices get it.
        targets: Vec<Target>,
    },
    /// Show a session of this gateway that somebody is typing ([`crate::Session::show_typing`]). Not answered.
    LocalTyping {
        /// The connection.
        connection: ConnectionId,
        /// The epoch to show it for.
        epoch: u64,
        /// The push as JSON text.
        frame: Bytes,
    },
    /// Send another gateway the same, over the link to it, opened where there is none; unless so much waits
    /// for the link that it would take the place of something else. Not answered.
    RemoteTyping {
        /// The gateway.
        gateway: Gateway,
        /// As of when, by the wall clock.
        at: Millis,
        /// The push as JSON text.
        frame: Bytes,
        /// Which devices are shown it.
        targets: Vec<Target>,
    },
    /// More was lost than could be kept: send the gateway a `Probe`, upon which it probes all its
    /// sessions ([`crate::Prober::probe_all`]). Answered like `Remote` with one target.
    ProbeAll {
        /// The gateway.
        gateway: Gateway,
        /// Names the request: the `sequence` on the wire.
        delivery: u64,
    },
    /// The gateway has not answered for 5 s: close the link to it. What was sent counts as lost; the next
    /// `Remote` opens another. Not answered.
    DropLink(Incarnation),
    /// No device of the user is connected, as far as the manager knows, and this waits for one: a message, or
    /// for [`Push::look`] something that a session left behind. Not answered.
    Absent {
        /// The user.
        user: UserId,
        /// The push.
        push: Push,
    },
    /// Read the routes of users at the manager. Answered by [`super::Router::routes`].
    Lookup {
        /// Names the lookup.
        lookup: u64,
        /// The users.
        users: Vec<UserId>,
    },
}

/// How many deliveries ended in which way, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Handed to a session.
    pub queued: u64,
    /// The session reads its inbox again, where it waits.
    pub overloaded: u64,
    /// No gateway holds the device: it is offline.
    pub no_route: u64,
    /// The route was wrong, and so was the one read again.
    pub not_here: u64,
    /// The manager did not answer; probes find it.
    pub manager_away: u64,
    /// Too many waited for a lookup; probes find it.
    pub lookups_full: u64,
    /// Too many waited for a peer; it is told to probe all its sessions.
    pub peer_full: u64,
}
