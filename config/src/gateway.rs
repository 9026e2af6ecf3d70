//! Configuration of `chatcluster-gateway`.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{BackendPort, GoDuration, Limits, MutualTls, ServerTls};

/// Configuration of a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConfig {
    /// This gateway's name, for routes, logs and metrics. Where many gateways share a file, each has its own
    /// by `--name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where clients connect.
    pub client: ClientPort,
    /// Where other gateways connect.
    pub peer: PeerPort,
    /// Where backends connect; nowhere, if absent. Service tokens are those of the message service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendPort>,
    /// Whom to tell that something waits for a user without a connected device; nobody, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookTarget>,
    /// Where `/livez`, `/readyz` and `/metrics` are served, over plain HTTP.
    pub admin: SocketAddr,
    /// The WebSocket manager.
    pub manager: ManagerHome,
    /// The message service.
    pub messages: MessagesClient,
    /// Whose tokens are accepted.
    pub auth: Auth,
    /// How much it takes from one user, and from one address.
    #[serde(default)]
    pub limits: Limits,
    /// How the gateway stops.
    #[serde(default)]
    pub drain: Drain,
}

/// Whom to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTarget {
    /// Where requests go: `http://` or `https://`.
    pub url: String,
    /// The authorities that its certificate may be of, in PEM; where absent, those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// File with the secret that requests are signed with, which is all of the file.
    pub key: PathBuf,
    /// How long a request is tried again.
    #[serde(default = "WebhookTarget::give_up_after")]
    pub give_up_after: GoDuration,
}

impl WebhookTarget {
    /// How long a request is tried again, where nothing else is said.
    pub const GIVE_UP_AFTER: GoDuration = GoDuration::from_secs(300);

    fn give_up_after() -> GoDuration {
        Self::GIVE_UP_AFTER
    }
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientPort {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The certificate that clients see. Without it the port is plain: only behind a proxy that ends TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Origins that browsers may connect from, such as `https://chat.example.com`; `*` is any. The
    /// gateway's own origin is always allowed, and clients that send no Origin are no browsers.
    #[serde(default)]
    pub origins: Vec<String>,
    /// A folder whose files are served over https on the same port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PathBuf>,
    /// Most connections at a time; further ones are refused with 503 and Retry-After.
    #[serde(default = "ClientPort::connections")]
    pub connections: usize,
    /// How long a client may be silent before it is asked.
    #[serde(default = "ClientPort::heartbeat")]
    pub heartbeat: GoDuration,
}

impl ClientPort {
    fn connections() -> usize {
        10_000
    }

    fn heartbeat() -> GoDuration {
        GoDuration::from_secs(25)
    }
}

/// Where other gateways connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerPort {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Host under which the other gateways reach this one; by `--host` where many share a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Port under which they reach it; where absent, the one that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// This gateway's certificate and the CA.
    pub tls: MutualTls,
}

/// The WebSocket manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)] // serde_ignored does not see into tagged enums
pub enum ManagerHome {
    /// A Redis Cluster.
    Redis {
        /// Some of its nodes, `host:port`; the others are found through them.
        nodes: Vec<String>,
    },
    /// The memory of this process: one gateway alone.
    Memory,
}

/// How the gateway reaches the message service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagesClient {
    /// `host:port` of its gRPC port.
    pub address: String,
}

/// Whose tokens are accepted. A token is good when one of the keys verifies it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Keys; at least one.
    pub keys: Vec<JwtKey>,
    /// The `iss` that a token must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The `aud` that a token must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// A key that verifies tokens. The algorithm belongs to the key: what a token's header says never chooses it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtKey {
    /// The algorithm.
    pub algorithm: JwtAlgorithm,
    /// File with the key: the secret itself for HS256 (at least 32 bytes), a public key in PEM for the others.
    pub file: PathBuf,
    /// The `kid` that a token of this key has; without it the key is tried for every token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Algorithms of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum JwtAlgorithm {
    HS256,
    RS256,
    ES256,
}

/// How the gateway stops: it accepts for `grace` more, then asks clients to reconnect elsewhere at a
/// rate that the whole fleet shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Drain {
    /// How long it goes on accepting, while load balancers learn that it is going.
    pub grace: GoDuration,
    /// Sessions asked to move per second, over all gateways that drain at the same time.
    pub rate_per_second: u32,
    /// After this the gateway ends whatever is left.
    pub timeout: GoDuration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            grace: GoDuration::from_secs(10),
            rate_per_second: 1000,
            timeout: GoDuration::from_secs(600),
        }
    }
}
