//! Where `redis-server` is on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

use chatcluster_config::Program;

/// The `redis-server` that tests run, see [`Program`].
pub fn redis_server() -> PathBuf {
    let found = Program::Redis.find(|name| env::var_os(name), Path::is_file);
    found.unwrap_or_else(|why| panic!("{why}"))
}
