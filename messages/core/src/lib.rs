//! The message service's decisions: identity, references, quorum, pages. No I/O, no tokio.
//!
//! From the bottom up:
//! - [`key`] and [`record`]: the tables, as order-preserving keys and versioned values
//! - [`group`]: who takes part in a group, and who may change that
//! - [`view`]: the ordered map that a replica is, and [`apply`]: what it checks and changes, atomically
//! - [`replica`]: how replicas are reached; [`quorum`] and [`merge`]: what their answers mean together
//! - [`repository`]: what the services call
//!
//! Time comes in as milliseconds; a replica gives its own when it applies.

pub mod apply;
pub mod group;
pub mod island;
pub mod key;
pub mod merge;
pub mod quorum;
pub mod record;
pub mod replica;
pub mod repository;
pub mod view;
