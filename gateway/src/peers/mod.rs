//! Links to other gateways: framed, batched, under mutual TLS in the role `gateway`.
//!
//! A link is opened by the gateway that has something to send, and what it sends flows only that way;
//! outcomes flow back. What to send, and what an outcome means, is decided by the core; here is only
//! how it travels, and that every item gets an outcome: the peer's, or "the link is lost".

mod link;
mod outgoing;
mod queue;
mod server;

use bytes::{Bytes, BytesMut};
use chatcluster_protocol::{
    id::MessageId,
    peer::{
        CodecError, DeliverRef, Disconnect, Evict, Frames, Outcome, PeerFrame, PeerKind, Probe,
        Target, TargetOutcome, TargetRef, Typing, encode, encode_deliver,
    },
};
use gateway_core::{Incarnation, Push};
pub use outgoing::Peers;
pub use queue::Full;
pub use server::serve;

/// What the links tell the gateway.
pub trait PeerEvents: Send + Sync + 'static {
    /// This gateway's incarnation as of now.
    fn incarnation(&self) -> Incarnation;
    /// A peer's outcomes of what this gateway sent.
    fn outcomes(&self, outcomes: &[TargetOutcome]);
    /// A peer has ended a session.
    fn evicted(&self, eviction: u64);
    /// The link broke or could not be opened: what was sent and has no outcome will have none.
    fn link_lost(&self, to: Incarnation);
    /// The address answers as another incarnation.
    fn gateway_gone(&self, gateway: Incarnation);
    /// A peer has something for a device here.
    fn deliver(&self, target: TargetRef<'_>, push: &Push) -> Outcome;
    /// Somebody is typing to devices here, as of `at` by the peer's wall clock.
    fn typing(&self, at: u64, frame: &Bytes, targets: &[Target]);
    /// A peer's device was here before.
    fn evict(&self, target: TargetRef<'_>);
    /// A backend has asked a peer to end a session here.
    fn disconnect(&self, target: TargetRef<'_>);
    /// A peer has lost deliveries for this gateway.
    fn probe_all(&self);
}

/// One thing to send to a peer. It is encoded as it is queued.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A push for some devices.
    Deliver {
        /// Names it in the outcomes.
        sequence: u64,
        /// The push.
        push: &'a Push,
        /// Which devices get it.
        targets: &'a [gateway_core::Target],
    },
    /// Somebody is typing to some devices. It is only queued where little waits.
    Typing {
        /// As of when, by the wall clock.
        at: u64,
        /// The push.
        frame: &'a Bytes,
        /// Which devices are shown it.
        targets: &'a [gateway_core::Target],
    },
    /// The end of a session.
    Evict {
        /// Names it in the answer.
        sequence: u64,
        /// Which session.
        session: &'a gateway_core::Target,
    },
    /// The end of a session whose client may come back.
    Disconnect {
        /// Which session.
        session: &'a gateway_core::Target,
    },
    /// A probe of all the peer's sessions.
    Probe {
        /// Names it in the outcomes.
        sequence: u64,
    },
}

impl Item<'_> {
    /// Appends the frame.
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), CodecError> {
        let kind = match *self {
            Self::Deliver { sequence, push: Push { id, receipt, frame }, targets } => {
                let targets = targets.iter().map(target);
                return encode_deliver(sequence, *id, frame, *receipt, targets, buffer);
            }
            Self::Typing { at, frame, targets } => {
                let targets = targets.iter().map(owned).collect();
                PeerKind::Typing(Typing { at, frame: frame.clone(), targets })
            }
            Self::Evict { sequence, session } => {
                PeerKind::Evict(Evict { sequence, target: Some(owned(session)) })
            }
            Self::Disconnect { session } => {
                PeerKind::Disconnect(Disconnect { target: Some(owned(session)) })
            }
            Self::Probe { sequence } => PeerKind::Probe(Probe { sequence }),
        };
        encode(&PeerFrame { kind: Some(kind) }, buffer)
    }
}

fn owned(target: &gateway_core::Target) -> Target {
    Target {
        user: target.device.user.as_str().into(),
        device: target.device.device.as_str().into(),
        connection: target.connection.0,
        epoch: target.epoch,
    }
}

fn target(target: &gateway_core::Target) -> TargetRef<'_> {
    TargetRef {
        user: target.device.user.as_str().as_bytes(),
        device: target.device.device.as_str().as_bytes(),
        connection: target.connection.0,
        epoch: target.epoch,
    }
}

/// The push of a delivery; `None` if the peer sent nonsense.
fn push_of(deliver: &DeliverRef<'_>, frames: &Frames) -> Option<Push> {
    let id = MessageId::from_bytes(deliver.id.try_into().ok()?).ok()?;
    std::str::from_utf8(deliver.frame).ok()?;
    Some(Push { id, receipt: deliver.receipt, frame: frames.share(deliver.frame) })
}

#[cfg(test)]
mod tests;
