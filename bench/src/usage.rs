//! What the kernel says that a process uses.

use std::{fs, time::Duration};

use anyhow::Context;
use nix::{time::clock_getcpuclockid, unistd::Pid};
use tokio::time::{Instant, sleep};

/// A process that takes less than a fiftieth of a CPU for so long has nothing left to do: longer than an
/// fsync, during which nobody has a CPU's work either.
const LOOK: Duration = Duration::from_millis(200);
/// Nothing that a row begins takes longer.
const REST: Duration = Duration::from_secs(30);

/// Anonymous memory, in bytes: heap and stacks, without the program's own file.
pub(crate) fn memory(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no RssAnon")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}

/// CPU time so far, user and kernel, in seconds: of all threads, and of those that have ended, as those do
/// in which nothing has blocked for a while.
pub(crate) fn cpu(process: u32) -> anyhow::Result<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.try_into()?))?;
    Ok(Duration::from(clock.now()?).as_secs_f64())
}

/// Waits until none of them has anything left to do.
pub(crate) async fn rest(processes: &[u32]) -> anyhow::Result<()> {
    let all = || processes.iter().map(|process| cpu(*process)).sum::<anyhow::Result<f64>>();
    let end = Instant::now() + REST;
    loop {
        let before = all()?;
        sleep(LOOK).await;
        if all()? - before < LOOK.as_secs_f64() / 50.0 {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < end, "a server does not come to rest");
    }
}
