//! The configuration of each process. No I/O; snapshots in `tests` show every file.

use std::{
    cmp::min,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use chatcluster_config::{
    BackendPort, GatewayConfig, GoDuration, GrpcPort, JwtAlgorithm, MessagesConfig, MutualTls,
    ServerTls, Storage,
};

use super::cluster::{Cluster, Gateway, MESSAGES, Redis};
use crate::{
    keys::SERVICE_AUDIENCE,
    render::{self, GatewayPlace},
};

/// The longest that Ctrl-C waits for gateways to let go of their clients.
const LONGEST_DRAIN: GoDuration = GoDuration::from_secs(5);

/// The name of the certificate that clients see.
pub(super) const SERVER: &str = "server";

/// How long gateways here may drain: nobody is to wait for a laptop's cluster for minutes.
pub(super) fn drain_timeout(cluster: &Cluster) -> GoDuration {
    min(cluster.wanted.spec.gateways.drain.timeout, LONGEST_DRAIN)
}

/// A gateway's configuration.
pub(super) fn gateway(cluster: &Cluster, gateway: &Gateway) -> GatewayConfig {
    let (certificate, key) = cluster.paths.certificate(SERVER);
    let place = GatewayPlace {
        name: gateway.name.clone(),
        client: (cluster.listen.address, gateway.client).into(),
        tls: Some(ServerTls { certificate, key }),
        page: Some(cluster.paths.page()),
        peer: loopback(gateway.peer),
        host: Ipv4Addr::LOCALHOST.to_string(),
        peer_tls: role(cluster, &gateway.name),
        backend: backends(cluster, gateway.backend),
        admin: loopback(gateway.admin),
        redis: cluster.redis.iter().map(address).collect(),
        messages: loopback(cluster.messages.grpc).to_string(),
        token_key: cluster.paths.key("user-token"),
        token_algorithm: JwtAlgorithm::HS256,
        grace: GoDuration::from_secs(0), // no load balancer has to learn anything
        drain_timeout: drain_timeout(cluster),
    };
    render::gateway(&cluster.wanted.spec, place)
}

/// The message service's configuration.
pub(super) fn messages(cluster: &Cluster) -> MessagesConfig {
    MessagesConfig {
        grpc: GrpcPort { listen: loopback(cluster.messages.grpc), tls: role(cluster, MESSAGES) },
        http: backends(cluster, cluster.messages.http),
        admin: loopback(cluster.messages.admin),
        storage: Storage::Embedded { path: cluster.paths.messages() },
        devices: render::devices(&cluster.wanted.spec),
    }
}

/// How long a Redis node is silent before it is held for failed, in ms. Short, for a machine of one's
/// own: it is also how long a new cluster waits before it serves.
const NODE_TIMEOUT: u32 = 2000;

/// A Redis node's configuration.
pub(super) fn redis(cluster: &Cluster, node: &Redis) -> String {
    let Redis { name, port, bus, .. } = node;
    let folder = quoted(cluster.paths.work(name));
    format!(
        "# {name}: a part of the WebSocket manager. Holds nothing that must last.\n\
         port {port}\n\
         bind 127.0.0.1\n\
         dir {folder}\n\
         cluster-port {bus}\n{}",
        render::redis(NODE_TIMEOUT)
    )
}

/// In redis.conf, quotes keep spaces together and backslashes escape.
fn quoted(path: PathBuf) -> String {
    let path = path.display().to_string();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

fn backends(cluster: &Cluster, port: u16) -> BackendPort {
    BackendPort {
        listen: loopback(port),
        tls: None, // on loopback
        token_key: cluster.paths.key("service-token"),
        audience: SERVICE_AUDIENCE.into(),
    }
}

fn role(cluster: &Cluster, name: &str) -> MutualTls {
    let (certificate, key) = cluster.paths.certificate(name);
    MutualTls { certificate, key, ca: cluster.paths.ca(), identity: cluster.identity() }
}

fn address(node: &Redis) -> String {
    loopback(node.port).to_string()
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use chatcluster_config::Limits;

    use super::*;
    use crate::local::{endpoints::Endpoints, file};

    fn cluster(spec: &str) -> Cluster {
        let head =
            "apiVersion: chatcluster.io/v1alpha1\nkind: ChatCluster\nmetadata: {name: main}\n";
        let (wanted, _) = file::read(&format!("{head}spec: {spec}")).expect(spec);
        let mut port = 20_000;
        let free = |_| {
            port += 1;
            Ok(port)
        };
        Cluster::resolve(wanted, "127.0.0.1".parse().unwrap(), "/data".into(), 8443, free).unwrap()
    }

    #[test]
    fn the_files_of_an_empty_spec() {
        let cluster = cluster("{}");
        let yaml = |text: serde_yaml::Result<String>| text.unwrap();
        let config = gateway(&cluster, &cluster.gateways[1]);
        insta::assert_snapshot!("gateway", yaml(serde_yaml::to_string(&config)));
        insta::assert_snapshot!("messages", yaml(serde_yaml::to_string(&messages(&cluster))));
        insta::assert_snapshot!("redis", redis(&cluster, &cluster.redis[5]));
        let endpoints = Endpoints::of(&cluster);
        insta::assert_snapshot!("endpoints", yaml(serde_yaml::to_string(&endpoints)));
    }

    #[test]
    fn each_field_of_the_spec_arrives_where_it_works() {
        let cluster = cluster(
            "{gateways: {replicas: 3, connectionsPerPod: 77, origins: [https://a.example], drain: {ratePerSecond: 5, timeout: 2s},
                limits: {sendsPerSecond: 1, sendBurst: 2, requestsPerSecond: 3, requestBurst: 4, connectionsPerSecondPerAddress: 5, connectionBurst: 6},
                webhook: {url: 'https://push.example/waiting', caBundle: '-----BEGIN CERTIFICATE-----'}},
              manager: {managed: {shards: 4, replicasPerShard: 0}},
              messages: {devices: {unusedAfter: 720h}},
              auth: {jwt: {issuer: me, audience: chat}}}",
        );
        assert_eq!(cluster.gateways.len(), 3);
        assert_eq!(cluster.redis.iter().map(|node| node.shard).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let config = gateway(&cluster, &cluster.gateways[2]);
        assert_eq!(config.client.listen.port(), 8445);
        assert_eq!(config.client.connections, 77);
        assert_eq!(config.client.origins, ["https://a.example"]);
        assert_eq!(config.drain.rate_per_second, 5);
        let limits = Limits {
            sends_per_second: 1,
            send_burst: 2,
            requests_per_second: 3,
            request_burst: 4,
            connections_per_second_per_address: 5,
            connection_burst: 6,
        };
        assert_eq!(config.limits, limits);
        let webhook = config.webhook.unwrap();
        assert_eq!(webhook.url, "https://push.example/waiting");
        assert_eq!(webhook.ca_bundle.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
        assert_eq!(webhook.key, config.backend.unwrap().token_key);
        assert_eq!(config.drain.timeout, GoDuration::from_secs(2));
        assert_eq!(config.auth.issuer.as_deref(), Some("me"));
        assert_eq!(config.auth.audience.as_deref(), Some("chat"));
        assert_eq!(messages(&cluster).devices.unused_after, GoDuration::from_secs(720 * 3600));
    }

    #[test]
    fn a_folder_with_spaces_and_quotes_stays_one_word() {
        assert_eq!(quoted("/a b/\"c\"".into()), r#""/a b/\"c\"""#);
    }
}
