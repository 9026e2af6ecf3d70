//! The frames between two gateways: protobuf, each behind its length.
//!
//! A link is opened by the gateway that has something to deliver, and frames for the other side's
//! sessions flow only that way; the answers flow back. Links are mutual TLS; who the other side is
//! stands in its certificate, and which incarnation of it in [`PeerHello`].

mod codec;
mod deliver;
mod frame;

pub use codec::{CodecError, FRAME, FrameRef, Frames, decode, encode};
pub use deliver::{DeliverRef, TargetRef, encode_deliver};
pub use frame::{
    Deliver, Disconnect, Evict, Evicted, Outcome, Outcomes, PeerFrame, PeerHello, PeerKind,
    PeerWelcome, Probe, Target, TargetOutcome, Typing,
};

/// Version of the peer protocol. A gateway speaks with those of this version and of the one before.
pub const VERSION: u32 = 1;
