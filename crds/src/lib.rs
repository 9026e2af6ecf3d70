//! The `ChatCluster` custom resource: its types, and the rules that its values keep. No I/O.
//!
//! `crds/chatcluster.yaml` is generated from these types. A field enters with what it changes; every
//! field has a default, so that `spec: {}` is a working ChatCluster.

mod auth;
mod gateways;
mod limits;
mod manager;
mod messages;
mod pod;
mod resources;
mod rules;
mod schema;
mod service;
mod status;
mod tls;
mod webhook;

pub use auth::{Algorithm, Auth, Jwt, SecretKeyRef};
pub use gateways::{Drain, Gateways};
pub use limits::Limits;
pub use manager::{Managed, Manager, ManagerType};
pub use messages::{Devices, Embedded, Engine, Messages, Retention, Storage};
pub use pod::Pod;
pub use resources::{Amount, Resources};
pub use rules::{Invalid, validate};
pub use service::{Service, ServiceType, TrafficPolicy};
pub use status::{ChatClusterStatus, GatewaysStatus, ManagerStatus};
pub use tls::{SecretRef, Tls, TlsType};
pub use webhook::Webhook;

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
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Gateways", type_ = "integer", json_path = ".status.gateways.ready"),
    printcolumn(name = "Connections", type_ = "integer", json_path = ".status.gateways.connections"),
    printcolumn(name = "Shards", type_ = "integer", json_path = ".spec.manager.managed.shards"),
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.messages.engine"),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoint",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
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
    /// The image of gateways and message service. Default the operator's own, for new ChatClusters; a live
    /// one keeps its own when the operator is upgraded, and the condition UpdateAvailable names the newer.
    /// Ignored locally.
    #[schemars(length(min = 1, max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether the operator leaves everything as it is: it changes, heals and renews nothing until this is
    /// false again. Certificates are renewed 30 days before they end, so do not pause for longer. Default
    /// false. Ignored locally.
    pub paused: bool,
}
