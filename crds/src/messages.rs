//! `spec.messages`.

use chatcluster_config::GoDuration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Pod;

/// The message service: inboxes and archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Messages {
    /// What keeps the messages. Default Embedded.
    pub engine: Engine,
    /// The one pod of engine Embedded. Ignored locally, where the messages are a file.
    pub embedded: Embedded,
    /// How users' devices are kept.
    pub devices: Devices,
}

/// How users' devices are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Devices {
    /// A device that nobody has connected for this long is removed, with all that waits for it: a user has
    /// at most 16, and a phone that was lost years ago should not count for ever. Default 1440h, which is 60
    /// days. Hours, minutes and seconds as in `720h`, at least 24h.
    #[schemars(schema_with = "crate::schema::duration_from_1d")]
    pub unused_after: GoDuration,
}

impl Default for Devices {
    fn default() -> Self {
        Self { unused_after: GoDuration::from_secs(60 * 24 * 3600) }
    }
}

/// What keeps the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// One replica on one volume: every message is on disk before it is confirmed, and nobody is served
    /// while its machine is away. For one machine, development and tests.
    #[default]
    Embedded,
}

/// The one pod of engine Embedded, and its volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Embedded {
    /// The volume that all messages are on.
    pub storage: Storage,
    /// How the pod runs.
    pub pod: Pod,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        "message": "size cannot shrink: no volume can",
    },
    {
        "rule": "has(self.storageClassName) == has(oldSelf.storageClassName) \
                 && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
        "message": "storageClassName cannot change: a volume stays where it is; make another ChatCluster",
    },
]))]
pub struct Storage {
    /// How large it is. Default 10Gi. It may grow later, where the StorageClass allows that.
    #[schemars(schema_with = "crate::schema::size")]
    pub size: Quantity,
    /// The StorageClass. Default the cluster's.
    #[schemars(with = "String", length(min = 1, max = 253))] // never null: a rule asks whether it is there
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// What becomes of the volume, and of every message, when the ChatCluster is deleted. Default Retain:
    /// it stays, and a ChatCluster of the same name finds it again.
    pub when_deleted: Retention,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: Quantity("10Gi".into()),
            storage_class_name: None,
            when_deleted: Retention::default(),
        }
    }
}

/// What becomes of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// It stays.
    #[default]
    Retain,
    /// It is deleted, with all that is on it.
    Delete,
}
