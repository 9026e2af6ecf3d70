//! One cluster on a machine: a lock that the supervisor holds as long as it lives.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const FILE: &str = "/run/chatcluster-e2e.lock";

/// Who has the lock.
pub(crate) enum Lock {
    /// We do. It goes to whoever inherits the file.
    Ours(File),
    /// The supervisor of a running cluster does.
    Held(i32),
}

/// Tries to take it.
pub(crate) fn take() -> Result<Lock> {
    let open = File::options().read(true).write(true).create(true).truncate(false).open(FILE);
    let file = open.with_context(|| format!("open {FILE}"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::Ours(file)),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(FILE).context("read who holds the lock")?;
            match holder.trim().parse() {
                Ok(holder) => Ok(Lock::Held(holder)),
                Err(_) => bail!("another chatcluster-e2e is at work on {FILE}"),
            }
        }
        Err(TryLockError::Error(e)) => Err(e).context("lock"),
    }
}

/// Says in the locked file whom it goes to.
pub(crate) fn name_holder(mut file: &File, holder: u32) -> Result<()> {
    file.set_len(0)?;
    write!(file, "{holder}").context("write who holds the lock")
}

/// Takes it from a running supervisor by ending that.
pub(crate) fn end_holder(holder: i32) -> Result<File> {
    kill(Pid::from_raw(holder), Signal::SIGKILL).context("end the supervisor")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match take()? {
            Lock::Ours(file) => return Ok(file),
            Lock::Held(_) if Instant::now() > deadline => bail!("the supervisor does not end"),
            Lock::Held(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Leaves nothing.
pub(crate) fn remove(file: File) -> Result<()> {
    fs::remove_file(FILE).context("remove the lock")?;
    drop(file);
    Ok(())
}
