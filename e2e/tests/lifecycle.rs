//! What `up` makes, `down` removes, also after the supervisor was killed. `make e2e` runs this last: it
//! ends the cluster of this machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chatcluster_e2e::Cluster;
use chatcluster_testkit::wait_until;

/// Three times what the kernel takes to end some fifty processes, and more.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "ends the cluster of this machine: make e2e"]
async fn a_killed_supervisor_takes_everything_along_and_down_removes_the_rest() {
    let cluster = Cluster::of_this_machine().unwrap();
    let folder = cluster.kubeconfig().parent().unwrap().to_owned();
    assert!(!processes_of(&folder).is_empty(), "the cluster is up");
    let supervisor = fs::read_to_string("/run/chatcluster-e2e.lock").unwrap();

    let killed = Command::new("kill").args(["-9", supervisor.trim()]).status().unwrap();
    assert!(killed.success());
    wait_until("no process is left", SOON, async || processes_of(&folder).is_empty()).await;

    cluster.down().unwrap();
    assert!(!folder.exists(), "its folder");
    assert!(!Path::new("/run/chatcluster-e2e.lock").exists(), "its lock");
    assert_eq!(cgroups(), [] as [PathBuf; 0]);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("chatcluster"), "{mounts}");
}

/// The processes that run one of the cluster's files, or are told of one: kubelets, containerd and its
/// shims, what prepared their namespaces. Containers of pods live in namespaces of those.
fn processes_of(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("read /proc").flatten();
    let lines = processes.filter_map(|process| {
        let root = fs::read(process.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&root).replace('\0', " "))
    });
    lines.filter(|line| line.contains(&*folder.to_string_lossy())).collect()
}

fn cgroups() -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").expect("read the cgroups").flatten();
    let roots = hierarchies.map(|entry| entry.path()).chain(["/sys/fs/cgroup".into()]);
    let inside = roots.filter_map(|root| fs::read_dir(root).ok()).flatten().flatten();
    let ours =
        inside.filter(|entry| entry.file_name().to_string_lossy().starts_with("chatcluster"));
    ours.map(|entry| entry.path()).collect()
}
