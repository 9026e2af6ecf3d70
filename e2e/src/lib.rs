//! A real Kubernetes for tests, built from source into the cache: no Docker, nothing prebuilt.
//!
//! Two modes. [`ApiServer`] is etcd, API server and controller manager on loopback: it needs neither
//! root nor namespaces, is ready in seconds, and runs no pods. The cluster of `chatcluster-e2e up`
//! does run them.

mod api_server;
mod go;
mod kubeconfig;
mod kubernetes;
mod namespace;
mod pki;

pub use api_server::ApiServer;
pub use go::Program;
pub use kubernetes::kubernetes;
pub use namespace::Namespace;

/// Says to a person what is going on.
#[allow(clippy::print_stderr, reason = "the terminal is what this is for")]
fn say(what: impl std::fmt::Display) {
    eprintln!("{what}");
}
