//! Tests of the plan: against a small model of Redis Cluster, and on real Redis.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the steps explain a failure")]

mod forming;
mod model;
mod real;
mod storms;
