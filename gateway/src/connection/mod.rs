//! One connection.

mod outgoing;

pub use outgoing::Outgoing;
