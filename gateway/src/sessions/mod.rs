//! The sessions of this gateway, each with its queue to the client, found by their connections.
//!
//! A session is worked on under its own lock by whoever has something for it: its connection, the
//! answer to a call, a delivery from a peer. So a delivery's outcome is known at once. What the session
//! wants written waits in its queue for the connection's task, which is the only one that touches the
//! socket.

mod cell;
mod deadlines;
mod table;

pub use cell::{Cell, Inner, Queue};
pub use deadlines::Deadlines;
pub use table::Sessions;
