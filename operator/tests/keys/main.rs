//! The keys of a ChatCluster on Kubernetes: the plan on Secrets in memory, the operator's shell on a real
//! API server, and a rotation under real TLS.
#![allow(clippy::unwrap_used)] // in the helpers too

mod api_server;
mod handshakes;
mod rotation;
mod rules;
mod storms;
mod world;
