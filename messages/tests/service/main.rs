//! The message service on real files, real TLS and real processes.

#![allow(unreachable_pub)] // the modules of a test are private all the way up

mod embedded;
mod grpc;
mod harness;
mod http;
mod process;
mod schemathesis;
