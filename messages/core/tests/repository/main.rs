//! The repository over replicas in memory, which apply what every replica applies.

mod harness;
mod inboxes;
mod queries;
mod storing;
mod three_replicas;
