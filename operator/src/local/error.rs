//! Why a local ChatCluster cannot run.

use std::{io, path::PathBuf};

use chatcluster_config::InvalidYaml;
use chatcluster_pki::PkiError;

/// Why a local ChatCluster cannot run.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A file or folder could not be used.
    #[error("{action} {} failed: {error}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The ChatCluster's file is wrong.
    #[error("{}: {error}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with lines.
        error: InvalidYaml,
    },
    /// Another operator uses the data folder.
    #[error("{} is in use by pid {pid}: stop that one, or take another folder with --data DIR", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The process that uses it.
        pid: String,
    },
    /// A program that is to be started is not there.
    #[error("{0}")]
    Missing(String),
    /// The ports for clients do not fit.
    #[error(
        "{count} gateways need the ports from {base}, and there is none above 65535: take a lower --port-base"
    )]
    TooManyPorts {
        /// How many gateways.
        count: u32,
        /// The first port.
        base: u16,
    },
    /// A port for clients is taken.
    #[error("listening on {address} failed: {error}; other ports: --port-base PORT")]
    Port {
        /// Where clients would connect.
        address: std::net::SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The address to listen on is another machine's.
    #[error("--listen: {0} is not an address of this machine; 0.0.0.0 is all that it has")]
    NotOurs(std::net::IpAddr),
    /// No free port was found.
    #[error("found no free port on 127.0.0.1")]
    NoFreePort,
    /// Certificates could not be made.
    #[error("certificates: {0}")]
    Pki(#[from] PkiError),
    /// A configuration could not be written as YAML.
    #[error("writing a configuration as YAML failed: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The service token could not be signed.
    #[error("signing a service token failed: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
}

impl LocalError {
    /// For `map_err` after work on a file.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { action, path, error }
    }
}
