//! Ends a cluster and removes all that it made, whether it runs, was killed, or never started.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{
    cgroups,
    layout::{Layout, NODES, node_name},
    lock::{self, Lock},
};
use crate::inside::COVERED;

pub(crate) fn down(layout: &Layout) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("only root can have a cluster of nodes");
    }
    let lock = match lock::take()? {
        Lock::Ours(file) => file,
        Lock::Held(holder) => {
            let ended = lock::end_holder(holder)?;
            crate::say("ended the cluster");
            ended
        }
    };
    remove_leftovers(layout)?;
    lock::remove(lock)
}

/// Removes what a cluster leaves that was killed. The lock must be ours.
pub(super) fn remove_leftovers(layout: &Layout) -> Result<()> {
    wait_for_end(layout)?;
    for node in NODES {
        cgroups::remove(node)?;
    }
    for folder in COVERED {
        // One that somebody else uses is not empty.
        let _ = fs::remove_dir(folder);
    }
    match fs::remove_dir_all(layout.folder()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("remove {}", layout.folder().display()))
        }
        _ => Ok(()),
    }
}

/// The kernel ends the namespaces with their supervisor, in its own time.
fn wait_for_end(layout: &Layout) -> Result<()> {
    let names = NODES.map(node_name).chain(["control-plane".into(), "outside".into()]);
    let holders: Vec<_> = names.filter_map(|name| layout.holder(&name).ok()).collect();
    let lives = |holder: &i32| {
        let line = fs::read(Path::new("/proc").join(holder.to_string()).join("cmdline"));
        // Numbers are used again; another program's process is none of ours.
        line.is_ok_and(|line| line.starts_with(b"unshare\0"))
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while holders.iter().any(lives) {
        if Instant::now() > deadline {
            bail!("some of the processes {holders:?} do not end");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
