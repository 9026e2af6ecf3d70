//! The wire types of ChatCluster.
//!
//! - [`client`]: the JSON frames between a client and a gateway (subprotocol `chatcluster.v1`)
//! - [`peer`]: the binary frames between two gateways
//! - [`id`]: users, devices, conversations, messages, and the clock that orders them
//! - [`limits`]: how much of anything a client may send
//! - [`planted`]: bugs that the simulation has to find; none in any other build
//!
//! Nothing here does I/O or reads a clock; time comes in as [`Millis`].

pub mod client;
pub mod id;
pub mod limits;
pub mod peer;
pub mod planted;

/// The WebSocket subprotocol that a client asks for and a gateway confirms.
pub const SUBPROTOCOL: &str = "chatcluster.v1";

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = u64;
