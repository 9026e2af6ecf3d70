//! What goes over streams. Frames of clients travel as the gateway's decoder gives them; pushes and
//! answers as the text that the session wrote.

use bytes::Bytes;
use chatcluster_protocol::{client::ClientFrame, peer::Outcome};
use gateway_core::{Incarnation, Push, Target};

/// A unit that arrives as a whole.
#[derive(Debug, Clone)]
pub(crate) enum Wire {
    /// A client asks for a WebSocket.
    Open,
    /// The gateway says no, with a status.
    Refused,
    /// A client's frame.
    Frame(ClientFrame),
    /// A gateway's frame.
    Text(Bytes),
    /// A WebSocket ping, and its answer.
    Ping,
    /// The answer.
    Pong,
    /// A WebSocket close frame.
    Close(u16),
    /// A peer opens a link, and whom it wants.
    Hello(Incarnation),
    /// Who is there.
    Welcome(Incarnation),
    /// A push for some devices.
    Deliver(u64, Push, Vec<Target>),
    /// Somebody is typing to some devices, as of a time of the sender's wall clock.
    Typing(u64, Bytes, Vec<Target>),
    /// What became of targets of deliveries.
    Outcomes(Vec<(u64, u32, Outcome)>),
    /// A device has moved.
    Evict(u64, Target),
    /// It is gone.
    Evicted(u64),
    /// Probe all sessions.
    Probe(u64),
    /// The other end has closed the stream, or is no more.
    End,
}
