//! `spec.gateways.tls`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The certificate that clients see.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.type == 'SecretRef' ? has(self.secretRef) : !has(self.secretRef)",
        "message": "secretRef goes with type SecretRef, and type SecretRef needs it: {type: SecretRef, secretRef: {name: NAME}}",
    },
    {
        "rule": "!has(self.hosts) || size(self.hosts) == 0 || self.type == 'SelfSigned'",
        "message": "hosts are for type SelfSigned alone: a certificate of your own says its names itself",
    },
]))]
pub struct Tls {
    /// Where the certificate comes from. Default SelfSigned.
    #[serde(rename = "type")]
    pub type_: TlsType,
    /// Host names and addresses that clients use for the gateways, beside those of their Service. They
    /// enter the certificate of type SelfSigned.
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The Secret of type SecretRef, in the same namespace: `tls.crt` and `tls.key`, as cert-manager
    /// writes them. It is read again when it changes; no gateway restarts.
    #[schemars(with = "SecretRef")] // never null: rules ask whether it is there
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsType {
    /// The operator makes it, with an authority of the ChatCluster's own. Clients trust `ca.crt` of the
    /// ConfigMap `NAME-trust`.
    #[default]
    SelfSigned,
    /// A Secret of yours.
    SecretRef,
    /// None: the client port is plain, and something in front of it ends TLS. Never where clients reach
    /// the gateways themselves.
    Terminated,
}

/// A Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
