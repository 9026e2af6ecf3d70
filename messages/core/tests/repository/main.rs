//! The repository over replicas in memory, which apply what every replica applies.

#![allow(unreachable_pub)] // the modules of a test are private all the way up

mod harness;
mod inboxes;
mod queries;
mod storing;
mod three_replicas;
