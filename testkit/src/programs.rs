//! Where the programs are on this machine that tests run and that are not ours.

use std::{
    env,
    path::{Path, PathBuf},
};

use chatcluster_config::Program;

/// The one that [`Program::find`] finds.
pub(crate) fn path_of(program: Program) -> PathBuf {
    let found = program.find(|name| env::var_os(name), Path::is_file);
    found.unwrap_or_else(|why| panic!("{why}"))
}
