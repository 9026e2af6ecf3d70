//! `status`: what the operator tells people. It decides nothing by it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatClusterStatus {
    /// Whether it works, what is going on, and what is wrong.
    pub conditions: Vec<Condition>,
    /// Where clients connect: `wss://HOST:PORT`; with TLS terminated elsewhere, `ws://`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// The gateways.
    pub gateways: GatewaysStatus,
    /// The WebSocket manager.
    pub manager: ManagerStatus,
}

/// The gateways, for people and for autoscalers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaysStatus {
    /// How many pods there are.
    #[schemars(transform = crate::schema::whole_number)]
    pub replicas: u32,
    /// How many of them are ready.
    #[schemars(transform = crate::schema::whole_number)]
    pub ready: u32,
    /// How many clients they hold, to two digits: what changes every second would be written every second.
    #[schemars(transform = crate::schema::whole_number)]
    pub connections: u32,
    /// How many of them are letting go of their clients.
    #[schemars(transform = crate::schema::whole_number)]
    pub draining: u32,
    /// A label selector that finds them, as text.
    pub selector: String,
}

/// The WebSocket manager's Redis Cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagerStatus {
    /// How many shards have a master.
    #[schemars(transform = crate::schema::whole_number)]
    pub shards: u32,
    /// How many of the 16384 hash slots somebody serves.
    #[schemars(transform = crate::schema::whole_number)]
    pub slots_assigned: u32,
}
