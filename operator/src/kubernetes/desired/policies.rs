//! Who may connect to whom. A ChatCluster's parts are reached by each other, by the operator, and on the
//! ports that are there for others; nobody else's pods reach the WebSocket manager or the peers' port.

use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
        NetworkPolicySpec,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    ADMIN_PORT,
    gateways::{BACKEND_PORT, CLIENT_PORT, PEER_PORT},
    messages::{GRPC_PORT, HTTP_PORT},
    selector,
};
use crate::kubernetes::{
    cluster::Cluster,
    manager::{BUS_PORT, PORT},
    names::{Labels, MANAGER, Part},
};

/// A policy for each part.
pub(super) fn all(cluster: &Cluster) -> Vec<NetworkPolicy> {
    let of = |part| from_part(cluster, part);
    let operator = from_operator(cluster);
    vec![
        policy(
            cluster,
            Part::Gateway,
            vec![
                // Backends may be anywhere in the cluster; they need a token.
                allow(&[CLIENT_PORT, BACKEND_PORT, ADMIN_PORT], vec![]),
                allow(&[PEER_PORT], vec![of(Part::Gateway)]),
            ],
        ),
        policy(
            cluster,
            Part::Messages,
            vec![
                allow(&[HTTP_PORT, ADMIN_PORT], vec![]),
                allow(&[GRPC_PORT], vec![of(Part::Gateway)]),
            ],
        ),
        policy(
            cluster,
            Part::Redis,
            vec![
                allow(&[PORT], vec![of(Part::Gateway), of(Part::Redis), operator]),
                allow(&[BUS_PORT], vec![of(Part::Redis)]),
            ],
        ),
    ]
}

fn policy(cluster: &Cluster, part: Part, ingress: Vec<NetworkPolicyIngressRule>) -> NetworkPolicy {
    let names = &cluster.names;
    NetworkPolicy {
        metadata: names.meta(part, names.part(part)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(names.selector(part))),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(ingress),
            egress: None,
        }),
    }
}

/// These ports, from these; from anywhere if there are none.
fn allow(ports: &[u16], from: Vec<NetworkPolicyPeer>) -> NetworkPolicyIngressRule {
    let port = |port: &u16| NetworkPolicyPort {
        port: Some(IntOrString::Int((*port).into())),
        protocol: Some("TCP".into()),
        end_port: None,
    };
    NetworkPolicyIngressRule {
        ports: Some(ports.iter().map(port).collect()),
        from: Some(from).filter(|from| !from.is_empty()),
    }
}

/// The pods of a part of this ChatCluster.
fn from_part(cluster: &Cluster, part: Part) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(selector(cluster.names.selector(part))),
        ..NetworkPolicyPeer::default()
    }
}

fn from_operator(cluster: &Cluster) -> NetworkPolicyPeer {
    let label = |label: &str, value: &str| Labels::from([(label.to_owned(), value.to_owned())]);
    let namespace = label("kubernetes.io/metadata.name", &cluster.settings.namespace);
    NetworkPolicyPeer {
        namespace_selector: Some(selector(namespace)),
        pod_selector: Some(selector(label("app.kubernetes.io/name", MANAGER))),
        ..NetworkPolicyPeer::default()
    }
}
