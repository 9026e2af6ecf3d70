//! Where certificates lie. All files are PEM and are read again when they change.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A server's certificate, for clients that bring none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTls {
    /// Certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A role's certificate, and the CA that the other side's must come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// Certificate chain, the role's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CA certificates of this ChatCluster (two during a rotation).
    pub ca: PathBuf,
    /// The prefix of every role's URI SAN: `spiffe://<cluster domain>/ns/<namespace>/chatcluster/<name>`.
    /// The last part of the URI is the role: `gateway`, `messages`, `database`.
    pub identity: String,
}

/// What a program is to the others of its ChatCluster, as its certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A gateway.
    Gateway,
    /// The message service.
    Messages,
    /// A node of the message service's database.
    Database,
}

impl Role {
    /// The last part of the role's URI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Messages => "messages",
            Self::Database => "database",
        }
    }

    /// The URI SAN of the role's certificate: `identity` is [`MutualTls::identity`].
    pub fn uri(self, identity: &str) -> String {
        format!("{identity}/{}", self.as_str())
    }
}
