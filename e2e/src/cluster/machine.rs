//! Whether this machine can run a cluster, and what is missing if not.

use anyhow::{Context, Result, bail, ensure};

use super::{cgroups, layout::Layout};
use crate::run::run;

/// Checks everything that `up` needs of the machine.
pub(crate) fn check(layout: &Layout) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "nodes need root: they have namespaces and mounts of their own \
         (chatcluster-e2e api-server needs neither, and runs no pods)"
    );
    let programs = [("setpriv", "util-linux"), ("unshare", "util-linux"), ("ip", "iproute2")];
    for (program, package) in programs {
        run(program, &["-V"]).with_context(|| format!("is Debian's {package} installed?"))?;
    }
    if !layout.debian().join("usr/bin/containerd").exists() {
        bail!("containerd and its companions are missing: run scripts/need nodes");
    }
    let namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork"];
    run("unshare", &[&namespaces[..], &["ip", "link", "add", "test", "type", "bridge"]].concat())
        .context("this machine lets root make no namespaces, or no bridge in one")?;
    cgroups::check()
}
