//! `spec.manager`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Pod;

/// The WebSocket manager: knows which gateway holds which online device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Manager {
    /// Who runs it. Default Managed: the operator runs a Redis Cluster.
    #[serde(rename = "type")]
    pub type_: ManagerType,
    /// The Redis Cluster of type Managed.
    pub managed: Managed,
}

/// Who runs the WebSocket manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagerType {
    /// The operator runs a Redis Cluster for this ChatCluster alone.
    #[default]
    Managed,
}

/// A Redis Cluster that the operator runs. It holds nothing that must last: gateways tell it again who
/// is connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.shards == oldSelf.shards",
        "message": "shards cannot change in a live ChatCluster: make another one with as many as it needs",
    },
    {
        "rule": "self.replicasPerShard >= oldSelf.replicasPerShard",
        "message": "replicasPerShard cannot shrink in a live ChatCluster: one of them may be a master",
    },
]))]
pub struct Managed {
    /// How many masters share the users. Default 3, the fewest that can elect a successor. Each more
    /// takes its part of the lookups.
    #[schemars(range(min = 3, max = 100), transform = crate::schema::whole_number)]
    pub shards: u32,
    /// Replicas of each master. Default 1: when a master dies, its replica takes over in seconds. With 0
    /// that part of the users is found again once the master is replaced; until then their messages wait
    /// in their inboxes.
    #[schemars(range(min = 0, max = 5), transform = crate::schema::whole_number)]
    pub replicas_per_shard: u32,
    /// The image of Redis 7.0 or newer. Default the one that the operator was started with, for new
    /// ChatClusters; a live one keeps its own. Ignored locally.
    #[schemars(length(min = 1, max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How the pods run. Ignored locally.
    pub pod: Pod,
}

impl Default for Managed {
    fn default() -> Self {
        Self { shards: 3, replicas_per_shard: 1, image: None, pod: Pod::default() }
    }
}
