//! The `ChatCluster` custom resource: its types, and the rules that its values keep. No I/O.
//!
//! `crds/chatcluster.yaml` is generated from these types. A field enters with what it changes; every
//! field has a default, so that `spec: {}` is a working ChatCluster.

mod auth;
mod gateways;
mod manager;
mod messages;
mod rules;
mod schema;
mod status;

pub use auth::{Auth, Jwt};
pub use gateways::{Drain, Gateways, Service, ServiceType};
pub use manager::{Managed, Manager, ManagerType};
pub use messages::{Engine, Messages};
pub use rules::{Invalid, validate};
pub use status::{ChatClusterStatus, GatewaysStatus};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A chat backbone: gateways that hold the clients' connections, the WebSocket manager that knows who is
/// connected where, and the message service that keeps the messages.
#[allow(clippy::duplicated_attributes, reason = "two columns of one type are no mistake")]
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "chatcluster.io",
    version = "v1alpha1",
    kind = "ChatCluster",
    namespaced,
    status = "ChatClusterStatus",
    derive = "PartialEq",
    shortname = "cc",
    category = "all",
    doc = "A chat backbone: gateways, WebSocket manager and message service.",
    scale(
        spec_replicas_path = ".spec.gateways.replicas",
        status_replicas_path = ".status.gateways.replicas",
        label_selector_path = ".status.gateways.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Gateways", type_ = "integer", json_path = ".spec.gateways.replicas"),
    printcolumn(name = "Shards", type_ = "integer", json_path = ".spec.manager.managed.shards"),
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.messages.engine"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = (
        "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$')",
        "metadata.name must be 1 to 40 lower-case letters, digits or inner hyphens, since objects and \
         certificates are named after it"
    )
)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatClusterSpec {
    /// The servers that clients connect to.
    pub gateways: Gateways,
    /// Knows which gateway holds which online device.
    pub manager: Manager,
    /// Keeps the messages.
    pub messages: Messages,
    /// Who may connect.
    pub auth: Auth,
}
