//! Running the programs of this machine.

use std::{ffi::OsStr, process::Command};

use anyhow::{Context, Result, bail};

/// Runs a program to its end and returns what it printed. A failure says what it said.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
