//! The repository over replicas in memory, which apply what every replica applies.

// The modules of a test are private all the way up, and its helpers are tests as well.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod groups;
mod harness;
mod inboxes;
mod privacy;
mod queries;
mod reading;
mod removals;
mod repair;
mod repair_order;
mod revocations;
mod roster;
mod storing;
mod three_replicas;
