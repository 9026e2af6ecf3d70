//! Configuration of `chatcluster-messages`.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{GoDuration, MutualTls, ServerTls};

/// Configuration of the message service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagesConfig {
    /// Where gateways connect.
    pub grpc: GrpcPort,
    /// Where backends connect.
    pub http: BackendPort,
    /// Where `/livez`, `/readyz` and `/metrics` are served, over plain HTTP.
    pub admin: SocketAddr,
    /// Where messages are kept.
    pub storage: Storage,
    /// How devices are kept.
    #[serde(default, skip_serializing_if = "Devices::are_default")]
    pub devices: Devices,
}

/// How devices are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Devices {
    /// A device that nobody has connected for this long is removed, with all that waits for it. At least a
    /// day: gateways say every 6 hours which devices are connected.
    #[serde(deserialize_with = "at_least_a_day")]
    pub unused_after: GoDuration,
}

impl Default for Devices {
    fn default() -> Self {
        Self { unused_after: GoDuration::from_secs(60 * DAY) }
    }
}

impl Devices {
    /// Left out where an operator writes the file, so that what it renders stays as it was.
    fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

const DAY: u64 = 24 * 3600;

fn at_least_a_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GoDuration, D::Error> {
    let duration = GoDuration::deserialize(deserializer)?;
    if duration < GoDuration::from_secs(DAY) {
        return Err(D::Error::custom("must be at least 24h"));
    }
    Ok(duration)
}

/// Where gateways connect, by gRPC under mutual TLS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcPort {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The service's certificate and the CA of the gateways.
    pub tls: MutualTls,
}

/// Where backends connect, by HTTP with a service token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendPort {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The certificate that backends see. Without it the port is plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// File with the secret (at least 32 bytes) that signs service tokens, by HS256.
    pub token_key: PathBuf,
    /// The `aud` that a service token must have.
    #[serde(default = "BackendPort::audience")]
    pub audience: String,
}

impl BackendPort {
    fn audience() -> String {
        "chatcluster-messages".into()
    }
}

/// Where messages are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)] // serde_ignored does not see into tagged enums
pub enum Storage {
    /// One replica in this process, in one file.
    Embedded {
        /// The file; its folder must exist.
        path: PathBuf,
    },
}
