//! What the pods of all parts have in common: they may do nothing, and leave a dead node soon.

use chatcluster_crds::Pod as Wishes;
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
        EnvVar, EnvVarSource, HTTPGetAction, LocalObjectReference, ObjectFieldSelector,
        PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
        SecretVolumeSource, SecurityContext, Toleration, TopologySpreadConstraint, Volume,
        VolumeMount,
    },
    apimachinery::pkg::{
        api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString,
    },
};
use kube::api::ObjectMeta;

use super::{ADMIN_PORT, Labels, merged};
use crate::kubernetes::{cluster::Cluster, settings::PullPolicy};

/// Whom everything runs as. Images have no such user: the number is enough.
const NOBODY: i64 = 65_532;

/// How long a pod stays on a node that is not ready or cannot be reached. Kubernetes' 5 minutes are long
/// for clients that wait. A node is held for such after 40 s of silence.
const LEAVE_NODE_AFTER: i64 = 10;

/// A pod template: the one container, and what it mounts.
pub(super) fn template(
    cluster: &Cluster,
    wishes: &Wishes,
    labels: Labels,
    annotations: Labels,
    container: Container,
    volumes: Vec<Volume>,
) -> PodTemplateSpec {
    let mut tolerations = wishes.tolerations.clone();
    tolerations.extend(["not-ready", "unreachable"].map(leaves_soon));
    let annotations = merged(annotations, &wishes.annotations);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(merged(labels.clone(), &wishes.labels)),
            annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![Container {
                resources: wishes
                    .resources
                    .clone()
                    .map_or(container.resources.clone(), |wished| Some(wished.into())),
                image_pull_policy: cluster
                    .settings
                    .image_pull_policy
                    .map(PullPolicy::as_str)
                    .map(Into::into),
                security_context: Some(may_do_nothing()),
                ..container
            }],
            volumes: Some(volumes),
            affinity: wishes.affinity.clone(),
            node_selector: Some(wishes.node_selector.clone()).filter(|labels| !labels.is_empty()),
            tolerations: Some(tolerations),
            priority_class_name: wishes.priority_class_name.clone(),
            image_pull_secrets: pull_secrets(cluster),
            topology_spread_constraints: Some(vec![apart(labels)]),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(NOBODY),
                run_as_group: Some(NOBODY),
                fs_group: Some(NOBODY),
                // Else every start reads through the whole volume.
                fs_group_change_policy: Some("OnRootMismatch".into()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".into(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            ..PodSpec::default()
        }),
    }
}

fn pull_secrets(cluster: &Cluster) -> Option<Vec<LocalObjectReference>> {
    let names = cluster.settings.image_pull_secrets.iter();
    let secrets: Vec<_> = names.map(|name| LocalObjectReference { name: name.clone() }).collect();
    Some(secrets).filter(|secrets| !secrets.is_empty())
}

/// The "restricted" level of Pod Security, and a root that nobody can write to.
fn may_do_nothing() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

fn leaves_soon(why: &str) -> Toleration {
    Toleration {
        key: Some(format!("node.kubernetes.io/{why}")),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        toleration_seconds: Some(LEAVE_NODE_AFTER),
        ..Toleration::default()
    }
}

/// Pods of these labels spread over nodes, where there is room.
fn apart(labels: Labels) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        label_selector: Some(LabelSelector {
            match_labels: Some(labels),
            ..LabelSelector::default()
        }),
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        ..TopologySpreadConstraint::default()
    }
}

/// A variable with something that only the pod itself knows: `metadata.name`, `status.podIP`.
pub(super) fn env_of_pod(name: &str, field: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                // The server's default, so that what is live is what is wanted.
                api_version: Some("v1".into()),
                field_path: field.into(),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// A variable.
pub(super) fn env(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), ..EnvVar::default() }
}

/// A named TCP port.
pub(super) fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: port.into(),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

/// Requests, and the most memory. No limit of CPU: it would only throttle what nobody else needs.
pub(super) fn resources(cpu: &str, memory: &str, most_memory: &str) -> ResourceRequirements {
    let amount = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.into()));
    ResourceRequirements {
        requests: Some([amount("cpu", cpu), amount("memory", memory)].into()),
        limits: Some([amount("memory", most_memory)].into()),
        ..ResourceRequirements::default()
    }
}

/// Asks the admin port.
pub(super) fn probe(path: &str, seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::Int(ADMIN_PORT.into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

/// A volume with a Secret's contents, for this user alone; some of its keys, or all.
pub(super) fn secret(volume: &str, secret: &str) -> Volume {
    Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.into()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A volume with a ConfigMap's contents.
pub(super) fn config(volume: &str, config_map: &str) -> Volume {
    Volume {
        name: volume.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.into(),
            default_mode: Some(0o444),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A volume that ends with the pod.
pub(super) fn scratch(volume: &str) -> Volume {
    Volume {
        name: volume.into(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

/// Where a volume appears; only the one that holds data is written to.
pub(super) fn mount(volume: &str, path: &str, written: bool) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        read_only: (!written).then_some(true),
        ..VolumeMount::default()
    }
}
