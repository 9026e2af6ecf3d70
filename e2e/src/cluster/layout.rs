//! Where everything of a cluster is: its files, its addresses, its names.
//!
//! All addresses are inside network namespaces of the cluster's own; they cannot meet this machine's.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use chatcluster_config::cache_folder;

use crate::kubernetes::part;

/// Workers.
pub(crate) const NODES: std::ops::RangeInclusive<u8> = 1..=3;
/// The control plane's address on the bridge that joins the nodes.
pub(crate) const CONTROL_PLANE: &str = "172.31.0.1";
/// The address of a machine outside of the cluster, on the same bridge.
pub(crate) const OUTSIDE: &str = "172.31.0.100";
/// Services, and of those the API's and the one that answers names.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
pub(crate) const API_SERVICE: &str = "10.96.0.1";
pub(crate) const DNS_SERVICE: &str = "10.96.0.10";
/// All pods.
pub(crate) const PODS: &str = "10.244.0.0/16";
/// LoadBalancer addresses are this with a last number of 1 to 250.
pub(crate) const LOAD_BALANCERS: &str = "172.31.1";

/// A worker's name.
pub(crate) fn node_name(node: u8) -> String {
    format!("node{node}")
}

/// A worker's address.
pub(crate) fn node_address(node: u8) -> String {
    format!("172.31.0.1{node}")
}

/// The addresses of a worker's pods.
pub(crate) fn node_pods(node: u8) -> String {
    format!("10.244.{node}.0/24")
}

/// A worker's cgroup, below the root of every hierarchy.
pub(crate) fn node_cgroup(node: u8) -> String {
    format!("chatcluster-e2e-{node}")
}

/// The files of the cluster. There is one cluster on a machine, since its cgroups are the machine's.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    folder: PathBuf,
    debian: PathBuf,
}

impl Layout {
    /// Below the cache, so on a disk: images unpack to hundreds of megabytes.
    pub(crate) fn of_this_user() -> Result<Self> {
        let cache = cache_folder(|name| env::var_os(name))
            .context("there is no place for a cluster: set HOME or CHATCLUSTER_CACHE")?;
        Ok(Self {
            folder: cache.join("e2e/cluster"),
            debian: cache.join("debian/kubernetes-nodes"),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The programs of Debian's packages that nodes need (`scripts/need nodes`).
    pub(crate) fn debian(&self) -> &Path {
        &self.debian
    }

    /// A file or folder of the cluster.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as text, for flags and configuration files.
    pub(crate) fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// A file or folder of a node.
    pub(crate) fn node(&self, node: u8, name: &str) -> String {
        self.text(&format!("{}/{name}", node_name(node)))
    }

    /// Writes a file, and the folder that it is in.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.file(name);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }

    /// The file that makes a client of the cluster, from this machine.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.file("admin.conf")
    }

    /// kubectl as a user who may do everything.
    pub(crate) fn kubectl(&self) -> Result<Command> {
        let mut kubectl = part("kubectl")?;
        kubectl.env("KUBECONFIG", self.kubeconfig());
        Ok(kubectl)
    }

    /// The process that holds the namespaces of the control plane, a node or the outside, as
    /// [`super::supervisor`] wrote it.
    pub(crate) fn holder(&self, name: &str) -> Result<i32> {
        let text = fs::read_to_string(self.file(&format!("{name}.pid")))
            .with_context(|| format!("{name} does not run: is the cluster up?"))?;
        text.trim().parse().context("read a process id")
    }
}
