//! A machine outside of the cluster: nothing but a network, for programs that are sent there.

use std::{fs, thread};

use anyhow::{Context, Result};

use super::wait_for_network;

/// Holds the namespaces. Returns only when it cannot.
pub(crate) fn outside() -> Result<()> {
    wait_for_network()?;
    // A node that has no rule yet for a LoadBalancer address sends its packets back to the bridge, and
    // tells us to go there at once. Whoever believed it would not try the node again.
    for interface in ["all", "eth0"] {
        fs::write(format!("/proc/sys/net/ipv4/conf/{interface}/accept_redirects"), "0")
            .context("have the outside ignore redirects")?;
    }
    loop {
        thread::park();
    }
}
