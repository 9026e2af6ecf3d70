//! The programs' configuration out of a ChatCluster's spec: the same for pods and for local processes,
//! which differ in places only. No I/O.

use std::net::SocketAddr;

use chatcluster_config::{
    Auth, BackendPort, ClientPort, Devices, Drain, GatewayConfig, GoDuration, JwtAlgorithm, JwtKey,
    Limits, ManagerHome, MessagesClient, MutualTls, PeerPort, ServerTls, WebhookTarget,
};
use chatcluster_crds::ChatClusterSpec;

/// How long a client may be silent before it is asked.
const HEARTBEAT: GoDuration = GoDuration::from_secs(25);

/// Where a gateway is, and where everything that it needs is.
pub(crate) struct GatewayPlace {
    pub(crate) name: String,
    pub(crate) client: SocketAddr,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) page: Option<std::path::PathBuf>,
    pub(crate) peer: SocketAddr,
    pub(crate) host: String,
    pub(crate) peer_tls: MutualTls,
    pub(crate) backend: BackendPort,
    pub(crate) admin: SocketAddr,
    pub(crate) redis: Vec<String>,
    pub(crate) messages: String,
    pub(crate) token_key: std::path::PathBuf,
    pub(crate) token_algorithm: JwtAlgorithm,
    /// How long load balancers take to learn that it is going.
    pub(crate) grace: GoDuration,
    pub(crate) drain_timeout: GoDuration,
}

/// A gateway's configuration.
pub(crate) fn gateway(spec: &ChatClusterSpec, place: GatewayPlace) -> GatewayConfig {
    let jwt = &spec.auth.jwt;
    let webhook = spec.gateways.webhook.as_ref().map(|webhook| WebhookTarget {
        url: webhook.url.clone(),
        ca_bundle: webhook.ca_bundle.clone(),
        // Whoever is told has the key already, to make service tokens.
        key: place.backend.token_key.clone(),
        give_up_after: WebhookTarget::GIVE_UP_AFTER,
    });
    GatewayConfig {
        name: place.name,
        client: ClientPort {
            listen: place.client,
            tls: place.tls,
            origins: spec.gateways.origins.clone(),
            page: place.page,
            connections: spec.gateways.connections_per_pod as usize,
            heartbeat: HEARTBEAT,
        },
        peer: PeerPort { listen: place.peer, host: place.host, port: None, tls: place.peer_tls },
        backend: Some(place.backend),
        webhook,
        admin: place.admin,
        manager: ManagerHome::Redis { nodes: place.redis },
        messages: MessagesClient { address: place.messages },
        auth: Auth {
            keys: vec![JwtKey {
                algorithm: place.token_algorithm,
                file: place.token_key,
                id: None,
            }],
            issuer: jwt.issuer.clone(),
            audience: Some(jwt.audience.clone()),
        },
        limits: limits(&spec.gateways.limits),
        drain: Drain {
            grace: place.grace,
            rate_per_second: spec.gateways.drain.rate_per_second,
            timeout: place.drain_timeout,
        },
    }
}

fn limits(limits: &chatcluster_crds::Limits) -> Limits {
    Limits {
        sends_per_second: limits.sends_per_second,
        send_burst: limits.send_burst,
        requests_per_second: limits.requests_per_second,
        request_burst: limits.request_burst,
        connections_per_second_per_address: limits.connections_per_second_per_address,
        connection_burst: limits.connection_burst,
    }
}

/// How the message service keeps devices.
pub(crate) fn devices(spec: &ChatClusterSpec) -> Devices {
    Devices { unused_after: spec.messages.devices.unused_after }
}

/// What every Redis node's configuration says; `operator-plan` says why it is so. `node_timeout` is in
/// milliseconds: how long a node is silent before the others hold it for failed, and how long a new
/// cluster waits before it serves.
pub(crate) fn redis(node_timeout: u32) -> String {
    format!(
        "save \"\"\n\
         appendonly no\n\
         cluster-enabled yes\n\
         cluster-config-file nodes.conf\n\
         cluster-node-timeout {node_timeout}\n\
         cluster-require-full-coverage no\n\
         cluster-allow-replica-migration no\n\
         cluster-replica-validity-factor 0\n"
    )
}
