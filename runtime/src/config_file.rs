//! Reading a program's configuration file.

use std::{
    io,
    path::{Path, PathBuf},
};

use chatcluster_config::InvalidYaml;
use serde::de::DeserializeOwned;

/// A configuration file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file could not be read.
    #[error("reading {} failed: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content is wrong.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with path and line.
        source: InvalidYaml,
    },
}

/// Reads a YAML file. A wrong value and an unknown field are errors with their path and line.
pub fn read_config<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigFileError::Read { path: path.to_owned(), source })?;
    chatcluster_config::from_yaml(&text)
        .map_err(|source| ConfigFileError::Invalid { path: path.to_owned(), source })
}
