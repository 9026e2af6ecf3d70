//! The WebSocket manager's Redis nodes: a StatefulSet for each shard, one Service and one configuration
//! for all. `operator-plan` makes a Redis Cluster of them.

use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy},
        core::v1::{
            ConfigMap, Container, Probe, Service, ServicePort, ServiceSpec, TCPSocketAction,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{pods, selector};
use crate::{
    kubernetes::{
        cluster::Cluster,
        manager::{BUS_PORT, CONTAINER, PORT},
        names::{Part, SHARD},
    },
    render,
};

const CONFIG: &str = "/etc/redis";
const FOLDER: &str = "/data";

/// How long a node is silent before the others hold it for failed, in ms: long enough for a busy
/// machine, and an election follows within a second.
const NODE_TIMEOUT: u32 = 5000;

/// The configuration of every node.
pub(super) fn config_map(cluster: &Cluster) -> ConfigMap {
    let names = &cluster.names;
    let text = format!(
        "# A part of the WebSocket manager. Holds nothing that must last. Who may connect is for the\n\
         # NetworkPolicy to say.\n\
         port {PORT}\n\
         cluster-port {BUS_PORT}\n\
         protected-mode no\n\
         dir {FOLDER}\n{}",
        render::redis(NODE_TIMEOUT)
    );
    super::config_map(names.meta(Part::Redis, names.part(Part::Redis)), "redis.conf", text)
}

/// Names for all nodes, also for those that are not ready: they have to find each other to become so.
pub(super) fn service(cluster: &Cluster) -> Service {
    let names = &cluster.names;
    Service {
        metadata: names.meta(Part::Redis, names.part(Part::Redis)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some(names.selector(Part::Redis)),
            ports: Some(vec![ServicePort {
                name: Some("redis".into()),
                port: PORT.into(),
                target_port: Some(IntOrString::Int(PORT.into())),
                protocol: Some("TCP".into()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// How many nodes gateways begin with; they ask these for the others. There are never fewer shards, and
/// with more the gateways' configuration stays as it is.
const FIRST: usize = 3;

/// Some nodes for gateways to begin with.
pub(super) fn nodes(cluster: &Cluster) -> Vec<String> {
    let names = &cluster.names;
    let service = names.host(&names.part(Part::Redis));
    (0..FIRST).map(|shard| format!("{}-0.{service}:{PORT}", names.shard(shard))).collect()
}

/// A shard's nodes, for every shard.
pub(super) fn stateful_sets(cluster: &Cluster) -> Vec<StatefulSet> {
    (0..cluster.goal().shards).map(|shard| stateful_set(cluster, shard)).collect()
}

fn stateful_set(cluster: &Cluster, shard: usize) -> StatefulSet {
    let (names, wanted) = (&cluster.names, &cluster.spec.manager.managed);
    let service = names.part(Part::Redis);
    let of_shard = |mut labels: super::Labels| {
        labels.insert(SHARD.into(), shard.to_string());
        labels
    };
    // Its own address alone, so that nobody else's connection ends here. A restart is a new node: what
    // an earlier one knew is removed first.
    let start = format!(
        "rm -f {FOLDER}/nodes.conf; exec redis-server {CONFIG}/redis.conf --bind \"$POD_IP\" \
         --cluster-announce-ip \"$POD_IP\" --cluster-announce-hostname \"$POD_NAME.{}\"",
        names.host(&service)
    );
    let alive = |seconds, failures| Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(PORT.into()),
            ..TCPSocketAction::default()
        }),
        period_seconds: Some(seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    };
    let container = Container {
        name: CONTAINER.into(),
        image: Some(cluster.redis_image.name.clone()),
        command: Some(vec!["sh".into(), "-c".into()]),
        args: Some(vec![start]),
        env: Some(vec![
            pods::env_of_pod("POD_NAME", "metadata.name"),
            pods::env_of_pod("POD_IP", "status.podIP"),
        ]),
        ports: Some(vec![pods::port("redis", PORT), pods::port("bus", BUS_PORT)]),
        resources: Some(pods::resources("100m", "64Mi", "512Mi")),
        liveness_probe: Some(alive(10, 6)),
        readiness_probe: Some(alive(2, 3)),
        volume_mounts: Some(vec![
            pods::mount("config", CONFIG, false),
            pods::mount("data", FOLDER, true),
        ]),
        ..Container::default()
    };
    let volumes = vec![pods::config("config", &service), pods::scratch("data")];
    let mut template = pods::template(
        cluster,
        &wanted.pod,
        of_shard(names.labels(Part::Redis)),
        Default::default(),
        container,
        volumes,
    );
    // There is nothing to write.
    template.spec.get_or_insert_default().termination_grace_period_seconds = Some(10);
    let mut meta = names.meta(Part::Redis, names.shard(shard));
    meta.labels = meta.labels.map(of_shard);
    StatefulSet {
        metadata: meta,
        spec: StatefulSetSpec {
            replicas: Some(1 + wanted.replicas_per_shard as i32),
            service_name: Some(service),
            selector: selector(of_shard(names.selector(Part::Redis))),
            // All at once: they need each other. Restarts are for somebody who knows which is a master.
            pod_management_policy: Some("Parallel".into()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".into()),
                rolling_update: None,
            }),
            template,
            ..StatefulSetSpec::default()
        },
        ..StatefulSet::default()
    }
}
