//! `spec.gateways`.

use chatcluster_config::GoDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The servers that clients connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Gateways {
    /// How many there are. Default 2: one may go without anybody noticing. More carry more connections;
    /// a message takes one hop between two gateways however many there are.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// Most connections of one gateway; further clients are asked to come back later. Default 10000.
    /// Larger gateways are cheaper per connection, and more clients move when one goes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_per_pod: u32,
    /// How gateways let go of their clients when they stop.
    pub drain: Drain,
    /// How clients reach the gateways from outside. Ignored locally, where each gateway has a port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
}

impl Default for Gateways {
    fn default() -> Self {
        Self { replicas: 2, connections_per_pod: 10_000, drain: Drain::default(), service: None }
    }
}

/// How gateways let go of their clients when they stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Drain {
    /// Clients asked to move per second, over all gateways that stop at the same time. Default 1000.
    /// More ends a rollout sooner, and loads the gateways that remain with more logins per second.
    #[schemars(range(min = 1, max = 100_000))]
    pub rate_per_second: u32,
    /// After this a gateway ends with whatever is left; those clients come back on their own, all at
    /// once. Default 10m. Hours, minutes and seconds as in `1h30m`, at most 1h; locally never more than 5s.
    #[schemars(schema_with = "crate::schema::duration_up_to_1h")]
    pub timeout: GoDuration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { rate_per_second: 1000, timeout: GoDuration::from_secs(600) }
    }
}

/// How clients reach the gateways from outside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// The type of the Service in front of the gateways. Default ClusterIP: reachable inside the cluster.
    #[serde(rename = "type")]
    pub type_: ServiceType,
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
