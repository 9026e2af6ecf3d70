//! Where `redis-server` is on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The `redis-server` that tests run, see [`chatcluster_config::redis_server`].
pub fn redis_server() -> PathBuf {
    let found = chatcluster_config::redis_server(|name| env::var_os(name), Path::is_file);
    found.unwrap_or_else(|why| panic!("{why}"))
}
