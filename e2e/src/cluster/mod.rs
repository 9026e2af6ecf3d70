//! A cluster of three nodes on this machine, in namespaces of its own.

mod certificates;
mod cgroups;
mod down;
mod layout;
mod load_balancer;
mod lock;
mod machine;
mod network;
pub(crate) mod settings;
mod supervisor;
mod up;
mod volumes;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

pub(crate) use layout::{CONTROL_PLANE, Layout, SERVICES, node_address, node_name};
pub(crate) use supervisor::supervise;

use crate::run::run;

/// The cluster of this machine, running or not.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
}

impl Cluster {
    /// Finds it; nothing is started.
    pub fn of_this_machine() -> Result<Self> {
        Ok(Self { layout: Layout::of_this_user()? })
    }

    /// Starts it, and returns when pods can run and find each other by name. One that runs stays.
    pub fn up(&self) -> Result<()> {
        up::up(&self.layout)
    }

    /// Ends it and removes what it left, also what a killed one left.
    pub fn down(&self) -> Result<()> {
        down::down(&self.layout)
    }

    /// The file that makes a client of it, from this machine.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.layout.kubeconfig()
    }

    /// kubectl as a user who may do everything.
    pub fn kubectl(&self) -> Result<Command> {
        self.layout.kubectl()
    }

    /// Gives an OCI archive's images to all nodes. Pods use them with `imagePullPolicy: Never`.
    pub fn load(&self, archive: &Path) -> Result<()> {
        let archive = fs::canonicalize(archive)
            .with_context(|| format!("find the image {}", archive.display()))?;
        for node in layout::NODES {
            let root = format!("/proc/{}/root", self.layout.holder(&node_name(node))?);
            load_image(&self.layout, Path::new(&root), &archive)
                .with_context(|| format!("load an image on {}", node_name(node)))?;
        }
        Ok(())
    }

    /// Ends a node, like pulling its plug.
    pub fn kill_node(&self, name: &str) -> Result<()> {
        use nix::{sys::signal, unistd::Pid};
        let holder = Pid::from_raw(self.layout.holder(name)?);
        signal::kill(holder, signal::SIGKILL).with_context(|| format!("kill {name}"))
    }

    /// Has the supervisor start a killed node again.
    pub fn start_node(&self, name: &str) -> Result<()> {
        self.layout.write(&format!("{name}.start"), "")
    }

    /// Runs a command on a machine outside of the cluster, which reaches LoadBalancer addresses.
    pub fn outside(&self, command: &str) -> Result<String> {
        network::inside(self.layout.holder("outside")?, command)
    }
}

/// Imports an image into the containerd whose socket is below `root`.
pub(crate) fn load_image(layout: &Layout, root: &Path, archive: &Path) -> Result<()> {
    let ctr = layout.debian().join("usr/bin/ctr").display().to_string();
    let socket = root.join(settings::SOCKET.trim_start_matches('/')).display().to_string();
    let archive = archive.display().to_string();
    run(&ctr, &["-a", &socket, "-n", "k8s.io", "images", "import", &archive]).map(drop)
}
