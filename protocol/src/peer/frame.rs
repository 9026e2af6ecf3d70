//! What two gateways say to each other. Fields may be added, under new tags; none changes its meaning.

use bytes::Bytes;

/// One frame.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerFrame {
    /// What it is; absent when a newer gateway sent something unknown.
    #[prost(oneof = "PeerKind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub kind: Option<PeerKind>,
}

impl PeerFrame {
    /// The tags of [`Self::kind`].
    pub(super) const KINDS: std::ops::RangeInclusive<u32> = 1..=9;
}

/// What a frame is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum PeerKind {
    /// Opens the link.
    #[prost(message, tag = "1")]
    Hello(PeerHello),
    /// Answers the hello.
    #[prost(message, tag = "2")]
    Welcome(PeerWelcome),
    /// Something for devices that this gateway holds.
    #[prost(message, tag = "3")]
    Deliver(Deliver),
    /// What became of deliveries.
    #[prost(message, tag = "4")]
    Outcomes(Outcomes),
    /// A device has moved away.
    #[prost(message, tag = "5")]
    Evict(Evict),
    /// Answers `Evict`.
    #[prost(message, tag = "6")]
    Evicted(Evicted),
    /// More deliveries were lost than could be kept.
    #[prost(message, tag = "7")]
    Probe(Probe),
    /// Somebody is typing. A gateway that knows no such frame passes over it.
    #[prost(message, tag = "8")]
    Typing(Typing),
    /// A backend ends a session.
    #[prost(message, tag = "9")]
    Disconnect(Disconnect),
}

/// Opens the link.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerHello {
    /// [`super::VERSION`] of the sender.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The incarnation of the sender.
    #[prost(string, tag = "2")]
    pub from: String,
    /// The incarnation that the sender wants to reach. An address alone proves nothing: another
    /// gateway may have it by now.
    #[prost(string, tag = "3")]
    pub wanted: String,
}

/// Answers the hello.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerWelcome {
    /// [`super::VERSION`] of the receiver.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The incarnation of the receiver. Where it is not the one wanted, all that the sender has for
    /// it is `NotHere`, and the link ends.
    #[prost(string, tag = "2")]
    pub incarnation: String,
}

/// One encoded client frame for any number of devices.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Deliver {
    /// Counts up on a link; the outcomes name it.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// Id of the message or receipt, 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub id: Bytes,
    /// The `message` or `receipt` push as JSON text, encoded once and given to each client as it is. Where it
    /// is empty, the session reads its inbox again: another one of the device has ended with something that
    /// its client may not have, and the id says nothing but when.
    #[prost(bytes = "bytes", tag = "3")]
    pub frame: Bytes,
    /// Which devices get it.
    #[prost(message, repeated, tag = "4")]
    pub targets: Vec<Target>,
    /// The frame is a receipt and not a message.
    #[prost(bool, tag = "5")]
    pub receipt: bool,
}

/// A device as the WebSocket manager routes it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Target {
    /// The user.
    #[prost(string, tag = "1")]
    pub user: String,
    /// The device.
    #[prost(string, tag = "2")]
    pub device: String,
    /// The connection on the receiving gateway.
    #[prost(uint64, tag = "3")]
    pub connection: u64,
    /// The epoch of the route. A session of another epoch is not the one meant.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
}

/// What became of deliveries, one for each target, in any order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Outcomes {
    /// The outcomes.
    #[prost(message, repeated, tag = "1")]
    pub outcomes: Vec<TargetOutcome>,
}

/// What became of one target.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TargetOutcome {
    /// Sequence of the delivery.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// Position among its targets.
    #[prost(uint32, tag = "2")]
    pub target: u32,
    /// What became of it.
    #[prost(enumeration = "Outcome", tag = "3")]
    pub outcome: i32,
}

/// The four outcomes of a delivery. None but the device's own ack removes anything from its inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Outcome {
    /// Not confirmed: the link broke, or the time ran out. It is tried again.
    Unknown = 0,
    /// Handed to the device's session, which pushes it or has it in its live buffer.
    Queued = 1,
    /// No session of this connection and epoch: the route is wrong and is read again once.
    NotHere = 2,
    /// The session's buffer is full. It reads its inbox again, where the message waits.
    Overloaded = 3,
}

/// Ends a session whose device has claimed a route elsewhere.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Evict {
    /// Counts up on a link, together with deliveries.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// Which session.
    #[prost(message, optional, tag = "2")]
    pub target: Option<Target>,
}

/// The session is gone (or never was); nothing more is pushed to it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Evicted {
    /// Sequence of the `Evict`.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
}

/// The sender could not keep all that it had for this gateway: the receiver probes the inboxes of all
/// its sessions. Answered in `Outcomes` with `Queued` for target 0.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Probe {
    /// Counts up on a link, together with deliveries.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
}

/// Ends a session, whose client may come back. Not answered: whoever asks looks whether the route has gone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Disconnect {
    /// Which session.
    #[prost(message, optional, tag = "1")]
    pub target: Option<Target>,
}

/// Somebody is typing to a user of these devices. Not answered, and never sent again.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Typing {
    /// When the sender's gateway was told, by its wall clock, in milliseconds UTC. A link that stalled may
    /// bring it much later, when it is worth nothing.
    #[prost(uint64, tag = "1")]
    pub at: u64,
    /// The `typing` push as JSON text.
    #[prost(bytes = "bytes", tag = "2")]
    pub frame: Bytes,
    /// Which devices get it.
    #[prost(message, repeated, tag = "3")]
    pub targets: Vec<Target>,
}
