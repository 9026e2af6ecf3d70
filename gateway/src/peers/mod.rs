//! Links to other gateways: framed, batched, under mutual TLS in the role `gateway`.
//!
//! A link is opened by the gateway that has something to send, and what it sends flows only that way;
//! outcomes flow back. What to send, and what an outcome means, is decided by the core; here is only
//! how it travels, and that every item gets an outcome: the peer's, or "the link is lost".

mod link;
mod outgoing;
mod server;

use bytes::Bytes;
use chatcluster_protocol::{
    id::MessageId,
    peer::{Deliver, Evict, Outcome, PeerFrame, PeerKind, Probe, Target, TargetOutcome},
};
use gateway_core::{Incarnation, Push};
pub use outgoing::{Full, Peers};
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
    fn deliver(&self, target: &Target, push: &Push) -> Outcome;
    /// A peer's device was here before.
    fn evict(&self, target: &Target);
    /// A peer has lost deliveries for this gateway.
    fn probe_all(&self);
}

/// One thing to send to a peer.
#[derive(Debug)]
pub struct Item(PeerFrame);

impl Item {
    /// A push for some devices.
    pub fn deliver(sequence: u64, push: &Push, targets: &[gateway_core::Target]) -> Self {
        Self::of(PeerKind::Deliver(Deliver {
            sequence,
            id: Bytes::copy_from_slice(&push.id.to_bytes()),
            frame: push.frame.clone(),
            targets: targets.iter().map(target).collect(),
            receipt: push.receipt,
        }))
    }

    /// The end of a session.
    pub fn evict(sequence: u64, session: &gateway_core::Target) -> Self {
        Self::of(PeerKind::Evict(Evict { sequence, target: Some(target(session)) }))
    }

    /// A probe of all the peer's sessions.
    pub fn probe(sequence: u64) -> Self {
        Self::of(PeerKind::Probe(Probe { sequence }))
    }

    fn of(kind: PeerKind) -> Self {
        Self(PeerFrame { kind: Some(kind) })
    }

    /// About how much memory it holds.
    fn size(&self) -> usize {
        match &self.0.kind {
            Some(PeerKind::Deliver(deliver)) => deliver.frame.len() + 200 * deliver.targets.len(),
            _ => 200,
        }
    }
}

fn target(target: &gateway_core::Target) -> Target {
    Target {
        user: target.device.user.as_str().into(),
        device: target.device.device.as_str().into(),
        connection: target.connection.0,
        epoch: target.epoch,
    }
}

/// The push of a delivery; `None` if the peer sent nonsense.
fn push_of(deliver: &Deliver) -> Option<Push> {
    let id = MessageId::from_bytes(deliver.id.as_ref().try_into().ok()?).ok()?;
    std::str::from_utf8(&deliver.frame).ok()?;
    Some(Push { id, receipt: deliver.receipt, frame: deliver.frame.clone() })
}

#[cfg(test)]
mod tests;
