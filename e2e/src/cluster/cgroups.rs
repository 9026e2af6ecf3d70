//! A cgroup for each node in every hierarchy, of version 1 or 2. They are all that a cluster makes
//! outside of its namespaces and its folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::layout::node_cgroup;

const ROOT: &str = "/sys/fs/cgroup";
/// What the kubelet and containers need of version 2.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// Killed processes leave their cgroups within milliseconds.
const EMPTY_WITHIN: Duration = Duration::from_secs(20);

/// Whether this machine has version 2 alone.
fn is_version_2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The roots of all hierarchies. A machine with version 1 may have version 2 beside it, without
/// controllers, and runc puts containers into that too.
fn hierarchies() -> Vec<PathBuf> {
    if is_version_2() {
        return vec![ROOT.into()];
    }
    let mounted = fs::read_dir(ROOT).into_iter().flatten().flatten();
    let folders = mounted.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// Whether nodes can have cgroups here, or what is missing.
pub(crate) fn check() -> Result<()> {
    let has = |controller: &str| match is_version_2() {
        true => fs::read_to_string(Path::new(ROOT).join("cgroup.controllers"))
            .is_ok_and(|all| all.split_whitespace().any(|one| one == controller)),
        false => Path::new(ROOT).join(controller).exists(),
    };
    for controller in ["cpu", "cpuset", "memory", "pids"] {
        if !has(controller) {
            bail!("this machine has no cgroup controller {controller} in {ROOT}");
        }
    }
    Ok(())
}

/// Makes a node's, in the place of those that a killed one left: the kubelet would wait for each
/// container that it finds there.
pub(crate) fn make(node: u8) -> Result<()> {
    remove(node)?;
    if is_version_2() {
        for controller in CONTROLLERS {
            // One that is missing was either checked before or is not needed.
            let _ =
                fs::write(Path::new(ROOT).join("cgroup.subtree_control"), format!("+{controller}"));
        }
    }
    for hierarchy in hierarchies() {
        let cgroup = hierarchy.join(node_cgroup(node));
        fs::create_dir_all(&cgroup).with_context(|| format!("make {}", cgroup.display()))?;
        // In version 1 a new cpuset is empty, and nothing may run in it.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if !is_version_2() && hierarchy.join(file).exists() {
                fs::copy(hierarchy.join(file), cgroup.join(file)).context("fill a cpuset")?;
            }
        }
    }
    Ok(())
}

/// Removes a node's, whose processes are dead or dying.
pub(crate) fn remove(node: u8) -> Result<()> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    let all = hierarchies().into_iter().map(|hierarchy| hierarchy.join(node_cgroup(node)));
    for cgroup in all.filter(|cgroup| cgroup.exists()) {
        while let Err(e) = remove_tree(&cgroup) {
            if Instant::now() > deadline {
                return Err(e).with_context(|| format!("remove {}", cgroup.display()));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// A cgroup is removed by rmdir, after those in it; its files are no obstacle.
fn remove_tree(cgroup: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cgroup)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}
