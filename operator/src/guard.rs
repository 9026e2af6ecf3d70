//! The first thing that runs in a child process: it ties the child's life to the operator's, then becomes
//! the child's program. The kernel keeps the tie, so a killed operator leaves nothing behind either.
//!
//! The tie is to the *thread* that started the child. The operator starts all of them on its main thread.

use std::{ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use nix::{
    sys::{prctl, signal::Signal},
    unistd::{Pid, getpid, getppid},
};

/// How the operator calls itself to become a child.
pub const SUBCOMMAND: &str = "run-child";

/// The command that runs `program` as a child of this process.
pub fn command(operator: &std::path::Path, program: &std::path::Path) -> Command {
    let mut command = Command::new(operator);
    command.arg(SUBCOMMAND).arg(getpid().to_string()).arg(program);
    command
}

/// Becomes `program`; returns only if that fails. `parent` is the operator's process id.
pub fn become_child(parent: i32, program: &OsString, arguments: &[OsString]) -> io::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // It may have died before the kernel knew that we wanted to go with it.
    if getppid() != Pid::from_raw(parent) {
        return io::Error::other("the operator is gone");
    }
    Command::new(program).args(arguments).exec()
}
