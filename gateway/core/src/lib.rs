//! The gateway's decisions: sessions and routing as state machines. No I/O, no tokio, no clock.
//!
//! A machine takes an input and the time, and appends effects to a `Vec` of the caller. The shell
//! carries effects out in order and brings the answers back.

mod backoff;
pub mod drainer;
pub mod evictions;
pub mod lease;
mod locals;
pub mod prober;
mod push;
pub mod router;
pub mod session;
mod sweep;
#[cfg(test)]
mod testing;
mod types;

pub use drainer::Drainer;
pub use evictions::Evictions;
pub use lease::LeaseKeeper;
pub use locals::{Local, Locals};
pub use prober::Prober;
pub use push::Push;
pub use router::Router;
pub use session::Session;
pub use types::{Away, ConnectionId, Device, Gateway, Incarnation, Now, Route, Target};
