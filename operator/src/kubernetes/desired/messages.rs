//! The message service with the Embedded engine: a StatefulSet of one, its volume, its Service.

use chatcluster_config::{BackendPort, GrpcPort, MessagesConfig, Storage};
use chatcluster_crds::Retention;
use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec},
        core::v1::{
            ConfigMap, Container, PersistentVolumeClaim, PersistentVolumeClaimSpec, Service,
            ServicePort, ServiceSpec, VolumeResourceRequirements,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::api::ObjectMeta;

use super::{ADMIN_PORT, fingerprint, pods, selector};
use crate::{
    keys::SERVICE_AUDIENCE,
    kubernetes::{
        cluster::Cluster,
        names::{CONFIG_HASH, Part},
    },
};

/// Where gateways connect.
pub(super) const GRPC_PORT: u16 = 7443;
/// Where backends connect.
pub(super) const HTTP_PORT: u16 = 8081;

/// The name of the volume in the pod; with the pod's name, that of its claim.
const DATA: &str = "data";

const CONFIG: &str = "/etc/chatcluster/config";
const TLS: &str = "/etc/chatcluster/tls";
const TOKEN: &str = "/etc/chatcluster/service-token";
const FOLDER: &str = "/var/lib/chatcluster";

/// Calls under way have 10 s after a stop, and the writer ends after them.
const STOPS_WITHIN: i64 = 20;

/// The claim of the one volume.
pub(crate) fn claim(cluster: &Cluster) -> String {
    format!("{DATA}-{}-0", cluster.names.part(Part::Messages))
}

/// The configuration.
pub(super) fn config_map(cluster: &Cluster) -> ConfigMap {
    let names = &cluster.names;
    let meta = names.meta(Part::Messages, names.part(Part::Messages));
    super::config_map(meta, "messages.yaml", configuration(cluster))
}

/// The Service: gRPC for gateways, HTTP for backends.
pub(super) fn service(cluster: &Cluster) -> Service {
    let names = &cluster.names;
    let port = |name: &str, port: u16| ServicePort {
        name: Some(name.into()),
        port: port.into(),
        target_port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    };
    Service {
        metadata: names.meta(Part::Messages, names.part(Part::Messages)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(names.selector(Part::Messages)),
            ports: Some(vec![port("grpc", GRPC_PORT), port("http", HTTP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The pod and its volume.
pub(super) fn stateful_set(cluster: &Cluster) -> StatefulSet {
    let (names, wanted) = (&cluster.names, &cluster.spec.messages.embedded);
    let name = names.part(Part::Messages);
    let container = Container {
        name: Part::Messages.as_str().into(),
        image: Some(cluster.image.name.clone()),
        command: Some(vec!["/usr/local/bin/chatcluster-messages".into()]),
        args: Some(vec![format!("--config={CONFIG}/messages.yaml")]),
        env: Some(vec![pods::env("CHATCLUSTER_LOG_FORMAT", "json")]),
        ports: Some(vec![
            pods::port("grpc", GRPC_PORT),
            pods::port("http", HTTP_PORT),
            pods::port("admin", ADMIN_PORT),
        ]),
        resources: Some(pods::resources("200m", "256Mi", "1Gi")),
        liveness_probe: Some(pods::probe("/livez", 10, 6)),
        readiness_probe: Some(pods::probe("/readyz", 1, 3)),
        volume_mounts: Some(vec![
            pods::mount("config", CONFIG, false),
            pods::mount("tls", TLS, false),
            pods::mount("service-token", TOKEN, false),
            pods::mount(DATA, FOLDER, true),
        ]),
        ..Container::default()
    };
    let volumes = vec![
        pods::config("config", &name),
        pods::secret("tls", &names.with("messages-tls")),
        pods::secret("service-token", &names.with("service-token")),
    ];
    let hash = [(CONFIG_HASH.to_owned(), fingerprint(&configuration(cluster)))].into();
    let labels = names.labels(Part::Messages);
    let mut template = pods::template(cluster, &wanted.pod, labels, hash, container, volumes);
    template.spec.get_or_insert_default().termination_grace_period_seconds = Some(STOPS_WITHIN);
    StatefulSet {
        metadata: names.meta(Part::Messages, &name),
        spec: StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(name),
            selector: selector(names.selector(Part::Messages)),
            // There is one. But in order, a pod that cannot start is never replaced by one that can.
            pod_management_policy: Some("Parallel".into()),
            template,
            volume_claim_templates: Some(vec![claim_template(cluster)]),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(
                        match wanted.storage.when_deleted {
                            Retention::Retain => "Retain",
                            Retention::Delete => "Delete",
                        }
                        .into(),
                    ),
                    when_scaled: Some("Retain".into()),
                },
            ),
            ..StatefulSetSpec::default()
        },
        ..StatefulSet::default()
    }
}

fn claim_template(cluster: &Cluster) -> PersistentVolumeClaim {
    let volume = &cluster.volume;
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA.into()),
            labels: Some(cluster.names.labels(Part::Messages)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: volume.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), volume.size.clone())].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

fn configuration(cluster: &Cluster) -> String {
    super::yaml(&MessagesConfig {
        grpc: GrpcPort { listen: super::listen(GRPC_PORT), tls: super::mutual_tls(cluster, TLS) },
        http: BackendPort {
            listen: super::listen(HTTP_PORT),
            tls: None,
            token_key: format!("{TOKEN}/key").into(),
            audience: SERVICE_AUDIENCE.into(),
        },
        admin: super::listen(ADMIN_PORT),
        storage: Storage::Embedded { path: format!("{FOLDER}/messages.redb").into() },
        devices: crate::render::devices(&cluster.spec),
    })
}
