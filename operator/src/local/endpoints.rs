//! `endpoints.yaml`: what clients and scripts on this machine need to know. It is there while the cluster
//! is up.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use super::cluster::{Cluster, MESSAGES};

/// The file's content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoints {
    gateways: Vec<GatewayEndpoint>,
    /// What clients have to trust.
    ca: PathBuf,
    messages: MessagesEndpoint,
    user_tokens: UserTokens,
    /// `http://ADDRESS` with `/livez`, `/readyz` and `/metrics` of each program.
    admin: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct GatewayEndpoint {
    name: String,
    url: String,
    /// The HTTP API for backends, which takes the same token as the message service's.
    backend: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessagesEndpoint {
    /// The HTTP API for backends.
    http: String,
    /// A token for it.
    token: PathBuf,
}

/// What a user's token must say, and the key that signs it (HS256).
#[derive(Debug, Serialize)]
struct UserTokens {
    key: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    audience: String,
}

impl Endpoints {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let (paths, jwt) = (&cluster.paths, &cluster.wanted.spec.auth.jwt);
        let gateways = cluster.gateways.iter().map(|gateway| GatewayEndpoint {
            name: gateway.name.clone(),
            url: wss(cluster, gateway.client),
            backend: format!("http://127.0.0.1:{}", gateway.backend),
        });
        let admin = cluster.gateways.iter().map(|gateway| (gateway.name.as_str(), gateway.admin));
        let admin = admin.chain([(MESSAGES, cluster.messages.admin)]);
        Self {
            gateways: gateways.collect(),
            ca: paths.ca(),
            messages: MessagesEndpoint { http: http(cluster), token: paths.service_token() },
            user_tokens: UserTokens {
                key: paths.key("user-token"),
                issuer: jwt.issuer.clone(),
                audience: jwt.audience.clone(),
            },
            admin: admin
                .map(|(name, port)| (name.to_owned(), format!("http://127.0.0.1:{port}")))
                .collect(),
        }
    }
}

/// Where clients connect.
pub(super) fn wss(cluster: &Cluster, port: u16) -> String {
    format!("wss://{}:{port}", cluster.listen.host())
}

/// Where backends connect.
pub(super) fn http(cluster: &Cluster) -> String {
    format!("http://127.0.0.1:{}", cluster.messages.http)
}
