//! `spec.gateways.webhook`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A backend that is told when something waits for a user without a connected device, so that it can wake
/// their devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.caBundle) || self.url.startsWith('https://')",
    "message": "caBundle is for an https:// URL alone",
}]))]
pub struct Webhook {
    /// Where requests go, such as `https://push.example.com/waiting`. They are signed with the key of service
    /// tokens, as Standard Webhooks are.
    #[schemars(schema_with = "crate::schema::http_url")]
    pub url: String,
    /// The authorities that its certificate may be of, in PEM. Default: those that browsers trust.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
}
