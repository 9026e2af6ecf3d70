//! Running the programs of this machine.

use std::{ffi::OsStr, process::Command};

use anyhow::{Context, Result, bail};

/// Runs a program to its end and returns what it printed. A failure says what it said.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String> {
    output_of(Command::new(program).args(arguments))
}

/// The same of a command.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
