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
    #[error("reading {} failed: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Its content is wrong.
    #[error("{}: {error}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with path and line.
        error: InvalidYaml,
    },
}

/// Reads a YAML file. A wrong value and an unknown field are errors with their path and line.
pub fn read_config<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigFileError::Read { path: path.to_owned(), error })?;
    chatcluster_config::from_yaml(&text)
        .map_err(|error| ConfigFileError::Invalid { path: path.to_owned(), error })
}
