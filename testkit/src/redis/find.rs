//! Where `redis-server` is on this machine.

use std::path::PathBuf;

use chatcluster_config::Program;

use crate::programs::path_of;

/// The `redis-server` that tests run, see [`Program`].
pub fn redis_server() -> PathBuf {
    path_of(Program::Redis)
}
