//! A real Kubernetes for tests, built from source into the cache: no Docker, nothing prebuilt.
//!
//! Two modes. [`ApiServer`] is etcd, API server and controller manager on loopback: it needs neither
//! root nor namespaces, is ready in seconds, and runs no pods, but a [`Kubelet`] can play that it does. A
//! [`Cluster`] has three nodes that do run them; it needs root.

mod api_server;
mod audit;
mod cluster;
mod flags;
mod helm;
mod inside;
mod kubeconfig;
mod kubelet;
mod kubernetes;
mod namespace;
mod pki;
mod program;
mod run;
mod tools;

pub use api_server::ApiServer;
pub use audit::Request;
pub use cluster::Cluster;
pub use helm::Helm;
pub use kubelet::{Kubelet, Options as KubeletOptions};
pub use kubernetes::kubernetes;
pub use namespace::Namespace;
pub use program::{Program, Source};
pub use tools::{helm, probe};

use anyhow::{Context, Result, bail};

/// The process behind a [`Cluster`]; `up` starts it. `port` is the API's on loopback.
pub fn supervise(port: u16) -> Result<()> {
    cluster::supervise(&cluster::Layout::of_this_user()?, port)
}

/// The first process in the namespaces of `control-plane`, `node NUMBER` or `outside`, or a
/// node's helper, `images`.
pub fn inside(what: &[String]) -> Result<()> {
    let layout = cluster::Layout::of_this_user()?;
    let what: Vec<_> = what.iter().map(String::as_str).collect();
    match what[..] {
        ["control-plane"] => inside::control_plane(&layout),
        ["node", number] => inside::node(&layout, number.parse().context("a node's number")?),
        ["images"] => {
            inside::load_images(&layout);
            Ok(())
        }
        ["outside"] => inside::outside(),
        _ => bail!("nothing runs inside as {what:?}"),
    }
}

/// Says to a person what is going on.
#[allow(clippy::print_stderr, reason = "the terminal is what this is for")]
fn say(what: impl std::fmt::Display) {
    eprintln!("{what}");
}
