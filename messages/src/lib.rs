//! The message service: a repository of messages, gRPC for gateways, HTTP for backends.
//!
//! - [`embedded`]: the replica that this process holds; [`mnesia`]: one on a database node
//! - `queue`: writes on their way to either
//! - [`grpc`] and [`http`]: the two interfaces; each takes a listener, a repository and a shutdown token
//! - [`devices`]: devices that nobody uses
//! - [`fan_out`]: finishing what a crash left half done
//! - [`tending`]: replicas that vote, and filling those that do not
//!
//! The decisions are in `messages-core`; here is the I/O around them.

mod clock;
pub mod devices;
pub mod embedded;
pub mod fan_out;
pub mod grpc;
pub mod http;
mod metrics;
pub mod mnesia;
mod queue;
pub mod tending;

pub use clock::{Clock, wall_clock};
pub use metrics::Metrics;
