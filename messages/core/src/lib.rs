//! The message service's decisions: identity, references, quorum, pages. No I/O, no tokio.
//!
//! From the bottom up:
//! - [`key`] and [`record`]: the tables, as order-preserving keys and versioned values
//! - [`group`]: who takes part in a group, and who may change that
//! - [`view`]: the ordered map that a replica is, and [`apply`]: what it checks and changes, atomically
//! - [`replica`]: how replicas are reached; [`quorum`] and [`merge`]: what their answers mean together
//! - [`roster`]: whose answers count; [`repair`]: how replicas that have missed something get it, by [`digest`]s
//! - [`repository`]: what the services call
//!
//! Time comes in as milliseconds; a replica gives its own when it applies.

pub mod apply;
pub mod digest;
pub mod group;
pub mod island;
pub mod key;
pub mod merge;
pub mod quorum;
pub mod record;
pub mod repair;
pub mod replica;
pub mod repository;
pub mod roster;
pub mod view;
