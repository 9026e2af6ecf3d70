//! Gateways as clients and peers meet them: real sockets, real TLS, the real message service, and the
//! manager in a real Redis Cluster where the test is about it.

#![allow(clippy::unwrap_used)] // a failing test says where it was

mod backend;
mod client;
mod conversation;
mod crashes;
mod devices;
mod groups;
mod hostile;
mod limits;
mod people;
mod presence;
mod process;
mod programs;
mod slow;
mod upgrade;
mod webhook;
mod world;
