//! The flags that every API server and controller manager here has, on loopback and on the bridge alike.
//!
//! `pki` gives the path of a file by its name: `ca`, `apiserver` and `tokens`, each with `.pem` or `.pub`
//! and `.key`.

use crate::cluster::SERVICES;

/// What an API server that is asked to writes down of each request: who did what.
pub(crate) const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
"#;

/// Of the API server.
pub(crate) fn api_server(etcd: &str, pki: impl Fn(&str) -> String) -> Vec<String> {
    vec![
        format!("etcd-servers={etcd}"),
        format!("service-cluster-ip-range={SERVICES}"),
        "allow-privileged".into(),
        format!("client-ca-file={}", pki("ca.pem")),
        format!("tls-cert-file={}", pki("apiserver.pem")),
        format!("tls-private-key-file={}", pki("apiserver.key")),
        format!("service-account-key-file={}", pki("tokens.pub")),
        format!("service-account-signing-key-file={}", pki("tokens.key")),
        "service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
    ]
}

/// Of the controller manager.
pub(crate) fn controller_manager(kubeconfig: &str, pki: impl Fn(&str) -> String) -> Vec<String> {
    vec![
        format!("kubeconfig={kubeconfig}"),
        format!("root-ca-file={}", pki("ca.pem")),
        format!("cluster-signing-cert-file={}", pki("ca.pem")),
        format!("cluster-signing-key-file={}", pki("ca.key")),
        format!("service-account-private-key-file={}", pki("tokens.key")),
        "use-service-account-credentials".into(),
        "leader-elect=false".into(),
    ]
}
