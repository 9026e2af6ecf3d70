//! Tests of the manager from outside: one suite for both homes, and what only a Redis Cluster can do
//! to its users.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod failures;
mod fixtures;
mod model;
mod sequences;
