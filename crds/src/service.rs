//! `spec.gateways.service`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How clients reach the gateways: the Service in front of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.loadBalancerClass) || self.type == 'LoadBalancer'",
        "message": "loadBalancerClass is for type LoadBalancer alone: set type, or leave it out",
    },
    {
        "rule": "!has(self.externalTrafficPolicy) || self.type != 'ClusterIP'",
        "message": "externalTrafficPolicy is for types NodePort and LoadBalancer: set type, or leave it out",
    },
]))]
pub struct Service {
    /// The type of the Service. Default ClusterIP: reachable inside the cluster.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Annotations of the Service, which load balancers read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Which implementation of load balancers serves it, for type LoadBalancer. Default the cluster's.
    #[schemars(length(min = 1, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
    /// Whether a node hands connections from outside only to its own gateways (Local) or to all (Cluster).
    /// Default Local: clients keep their addresses, and save a hop; a node without a gateway takes none.
    #[schemars(with = "TrafficPolicy")] // never null: rules ask whether it is there
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<TrafficPolicy>,
}

/// The type of a Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // Kubernetes' own words
pub enum ServiceType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
}

/// Whom a node hands connections from outside to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // Kubernetes' own words
pub enum TrafficPolicy {
    Cluster,
    Local,
}
