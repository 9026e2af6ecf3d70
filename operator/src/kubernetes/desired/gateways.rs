//! The gateways: their Service, and a ReplicaSet and a configuration for each revision.
//!
//! Not a Deployment: that one takes no notice of pods that are still letting go of their clients, and
//! would end all old gateways at once. `rollout` says how many pods each revision has.

use chatcluster_config::{BackendPort, GoDuration, JwtAlgorithm, ServerTls};
use chatcluster_crds::{Algorithm, ServiceType, TlsType, TrafficPolicy};
use k8s_openapi::{
    api::{
        apps::v1::{ReplicaSet, ReplicaSetSpec},
        core::v1::{ConfigMap, Container, PodTemplateSpec, Service, ServicePort, ServiceSpec},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{ADMIN_PORT, fingerprint, pods, selector};
use crate::{
    keys::SERVICE_AUDIENCE,
    kubernetes::{
        cluster::Cluster,
        names::{Part, REVISION},
    },
    render::{self, GatewayPlace},
};

/// Where clients connect.
pub(crate) const CLIENT_PORT: u16 = 8443;
/// Where other gateways connect.
pub(super) const PEER_PORT: u16 = 8444;
/// Where backends connect.
pub(super) const BACKEND_PORT: u16 = 8082;

const CONFIG: &str = "/etc/chatcluster/config";
const PEER_TLS: &str = "/etc/chatcluster/peer-tls";
const SERVER_TLS: &str = "/etc/chatcluster/server-tls";
const JWT: &str = "/etc/chatcluster/jwt";
const TOKEN: &str = "/etc/chatcluster/service-token";

/// How long a gateway goes on accepting after it was told to stop: kube-proxy on every node, and load
/// balancers, take seconds to learn of it.
const GRACE: GoDuration = GoDuration::from_secs(10);

/// Beyond grace and drain, a gateway lets last frames leave (3 s) and ends its lease (3 s).
const LAST_WORDS: i64 = 10;

/// A revision of the gateways: everything that would restart them.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    /// Its name.
    pub(crate) revision: String,
    /// Its pods' configuration.
    pub(crate) config_map: ConfigMap,
    /// Its pods, but for their number.
    pub(crate) replica_set: ReplicaSet,
}

/// The revision that this spec asks for.
pub(crate) fn revision(cluster: &Cluster) -> Revision {
    let names = &cluster.names;
    let config = configuration(cluster);
    let revision = fingerprint(&(&config, template(cluster, "")));
    let name = names.revision(&revision);
    let mut labels = names.selector(Part::Gateway);
    labels.insert(REVISION.into(), revision.clone());

    let mut meta = names.meta(Part::Gateway, &name);
    meta.labels.get_or_insert_default().insert(REVISION.into(), revision.clone());
    let mut template = template(cluster, &name);
    let pod = template.metadata.get_or_insert_default();
    pod.labels.get_or_insert_default().insert(REVISION.into(), revision.clone());
    Revision {
        config_map: super::config_map(meta.clone(), "gateway.yaml", config),
        replica_set: ReplicaSet {
            metadata: meta,
            spec: ReplicaSetSpec {
                selector: selector(labels),
                template: Some(template),
                ..ReplicaSetSpec::default()
            },
            ..ReplicaSet::default()
        },
        revision,
    }
}

/// The Service that clients connect to.
pub(super) fn service(cluster: &Cluster) -> Service {
    let (names, wanted) = (&cluster.names, &cluster.spec.gateways.service);
    let mut meta = names.meta(Part::Gateway, names.part(Part::Gateway));
    meta.annotations = Some(wanted.annotations.clone()).filter(|all| !all.is_empty());
    let policy = wanted.external_traffic_policy.unwrap_or(TrafficPolicy::Local);
    let type_ = wanted.type_;
    Service {
        metadata: meta,
        spec: Some(ServiceSpec {
            type_: Some(service_type(type_).into()),
            selector: Some(names.selector(Part::Gateway)),
            ports: Some(vec![ServicePort {
                name: Some("wss".into()),
                // What travels is TLS, or WebSocket in plain HTTP where it ends elsewhere.
                app_protocol: plain(cluster).then(|| "kubernetes.io/ws".into()),
                port: CLIENT_PORT.into(),
                target_port: Some(IntOrString::Int(CLIENT_PORT.into())),
                protocol: Some("TCP".into()),
                ..ServicePort::default()
            }]),
            load_balancer_class: wanted.load_balancer_class.clone(),
            external_traffic_policy: (type_ != ServiceType::ClusterIP).then(|| match policy {
                TrafficPolicy::Local => "Local".into(),
                TrafficPolicy::Cluster => "Cluster".into(),
            }),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The Service that backends connect to: within the cluster of Kubernetes, whatever clients have.
pub(super) fn backend_service(cluster: &Cluster) -> Service {
    let names = &cluster.names;
    Service {
        metadata: names.meta(Part::Gateway, names.with("backend")),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(names.selector(Part::Gateway)),
            ports: Some(vec![ServicePort {
                name: Some("http".into()),
                port: BACKEND_PORT.into(),
                target_port: Some(IntOrString::Int(BACKEND_PORT.into())),
                protocol: Some("TCP".into()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

const fn service_type(type_: ServiceType) -> &'static str {
    match type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    }
}

fn template(cluster: &Cluster, config_map: &str) -> PodTemplateSpec {
    let (names, wanted) = (&cluster.names, &cluster.spec.gateways);
    let mut volumes = vec![
        pods::config("config", config_map),
        pods::secret("peer-tls", &names.with("gateway-tls")),
        pods::secret("jwt", &jwt_secret(cluster)),
        pods::secret("service-token", &names.with("service-token")),
    ];
    let mut mounts = vec![
        pods::mount("config", CONFIG, false),
        pods::mount("peer-tls", PEER_TLS, false),
        pods::mount("jwt", JWT, false),
        pods::mount("service-token", TOKEN, false),
    ];
    if let Some(secret) = server_secret(cluster) {
        volumes.push(pods::secret("server-tls", &secret));
        mounts.push(pods::mount("server-tls", SERVER_TLS, false));
    }
    let container = Container {
        name: Part::Gateway.as_str().into(),
        image: Some(cluster.image.name.clone()),
        command: Some(vec!["/usr/local/bin/chatcluster-gateway".into()]),
        args: Some(
            [&format!("--config={CONFIG}/gateway.yaml"), "--name=$(POD_NAME)", "--host=$(POD_IP)"]
                .map(str::to_owned)
                .to_vec(),
        ),
        env: Some(vec![
            pods::env_of_pod("POD_NAME", "metadata.name"),
            pods::env_of_pod("POD_IP", "status.podIP"),
            pods::env("CHATCLUSTER_LOG_FORMAT", "json"),
        ]),
        ports: Some(vec![
            pods::port("wss", CLIENT_PORT),
            pods::port("peer", PEER_PORT),
            pods::port("backend", BACKEND_PORT),
            pods::port("admin", ADMIN_PORT),
        ]),
        resources: Some(resources(wanted.connections_per_pod)),
        liveness_probe: Some(pods::probe("/livez", 10, 3)),
        readiness_probe: Some(pods::probe("/readyz", 2, 3)),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let labels = names.labels(Part::Gateway);
    let mut template =
        pods::template(cluster, &wanted.pod, labels, Default::default(), container, volumes);
    template.spec.get_or_insert_default().termination_grace_period_seconds =
        Some((GRACE.as_secs() + wanted.drain.timeout.as_secs()) as i64 + LAST_WORDS);
    template
}

/// What a gateway of this many connections needs. A session over TLS takes 5.7 KB (docs/benchmarks.md),
/// the kernel's sockets and frames under way about as much; the limit leaves room for all clients coming
/// at once, and watching as many users as a gateway takes (100,000, up to 900 bytes each).
fn resources(connections: u32) -> k8s_openapi::api::core::v1::ResourceRequirements {
    let mebibytes =
        |base: u32, kibibytes: u32| format!("{}Mi", base + connections * kibibytes / 1024);
    let millicores = 100 + connections / 100;
    pods::resources(&format!("{millicores}m"), &mebibytes(48, 16), &mebibytes(216, 48))
}

fn configuration(cluster: &Cluster) -> String {
    let (names, spec) = (&cluster.names, &cluster.spec);
    let file = |folder: &str, name: &str| format!("{folder}/{name}").into();
    let tls = server_secret(cluster).map(|_| ServerTls {
        certificate: file(SERVER_TLS, "tls.crt"),
        key: file(SERVER_TLS, "tls.key"),
    });
    let messages = names.host(&names.part(Part::Messages));
    let config = render::gateway(
        spec,
        GatewayPlace {
            // Each pod's own, by arguments.
            name: String::new(),
            host: String::new(),
            client: super::listen(CLIENT_PORT),
            tls,
            page: None,
            peer: super::listen(PEER_PORT),
            peer_tls: super::mutual_tls(cluster, PEER_TLS),
            backend: BackendPort {
                listen: super::listen(BACKEND_PORT),
                tls: None,
                token_key: file(TOKEN, "key"),
                audience: SERVICE_AUDIENCE.into(),
            },
            admin: super::listen(ADMIN_PORT),
            redis: super::manager::nodes(cluster),
            messages: format!("{messages}:{}", super::messages::GRPC_PORT),
            token_key: file(JWT, &jwt_key(cluster)),
            token_algorithm: match spec.auth.jwt.algorithm {
                Algorithm::HS256 => JwtAlgorithm::HS256,
                Algorithm::RS256 => JwtAlgorithm::RS256,
                Algorithm::ES256 => JwtAlgorithm::ES256,
            },
            grace: GRACE,
            drain_timeout: spec.gateways.drain.timeout,
        },
    );
    super::yaml(&config)
}

/// Whether something in front of the gateways ends TLS.
fn plain(cluster: &Cluster) -> bool {
    cluster.spec.gateways.tls.type_ == TlsType::Terminated
}

/// The Secret with the certificate that clients see.
fn server_secret(cluster: &Cluster) -> Option<String> {
    let tls = &cluster.spec.gateways.tls;
    match tls.type_ {
        TlsType::Terminated => None,
        TlsType::SelfSigned => Some(cluster.names.with("server-tls")),
        TlsType::SecretRef => tls.secret_ref.as_ref().map(|secret| secret.name.clone()),
    }
}

fn jwt_secret(cluster: &Cluster) -> String {
    let own = cluster.spec.auth.jwt.secret_ref.as_ref().map(|secret| secret.name.clone());
    own.unwrap_or_else(|| cluster.names.with("jwt"))
}

fn jwt_key(cluster: &Cluster) -> String {
    let own = cluster.spec.auth.jwt.secret_ref.as_ref().map(|secret| secret.key.clone());
    own.unwrap_or_else(|| "key".into())
}
