//! The message service on real files, real TLS and real processes.

// The modules of a test are private all the way up, and its helpers are tests as well.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod database;
mod devices;
mod embedded;
mod grpc;
mod harness;
mod http;
mod island;
mod mnesia;
mod process;
mod replicas;
mod revocations;
mod schemathesis;
