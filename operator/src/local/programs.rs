//! The programs that are started.

use std::{
    env,
    path::{Path, PathBuf},
};

use chatcluster_config::Program;

use super::LocalError;

/// Where each program is.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    /// Ourselves, to be a child's first moments.
    pub(super) operator: PathBuf,
    pub(super) gateway: PathBuf,
    pub(super) messages: PathBuf,
    pub(super) redis: PathBuf,
}

impl Programs {
    /// Ours are beside this one.
    pub(super) fn find() -> Result<Self, LocalError> {
        let operator = env::current_exe().map_err(LocalError::file("finding", "/proc/self/exe"))?;
        let beside = |name: &str| {
            let path = operator.with_file_name(name);
            let missing = || format!("{} is missing: build it beside this program", path.display());
            if path.is_file() { Ok(path) } else { Err(LocalError::Missing(missing())) }
        };
        Ok(Self {
            gateway: beside("chatcluster-gateway")?,
            messages: beside("chatcluster-messages")?,
            redis: Program::Redis
                .find(|name| env::var_os(name), Path::is_file)
                .map_err(LocalError::Missing)?,
            operator,
        })
    }
}
