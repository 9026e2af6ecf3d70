//! Tests of the plan: against a small model of Redis Cluster, and on real Redis.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forming;
mod model;
mod real;
mod storms;
