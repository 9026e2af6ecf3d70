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
    /// The gateways.
    pub gateways: GatewaysStatus,
}

/// The gateways, for people and for autoscalers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaysStatus {
    /// How many pods there are.
    pub replicas: u32,
    /// A label selector that finds them, as text.
    pub selector: String,
}
