//! The file that tells a client where an API server is and who the client is.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::pki::{Authority, Issued};

/// The kubeconfig of a user who has this certificate. It names no other files.
pub(crate) fn text(server: &str, authority: &Authority, user: &Issued) -> String {
    let data = |pem: &str| k8s_openapi::ByteString(pem.as_bytes().to_vec());
    let cluster =
        json!({ "server": server, "certificate-authority-data": data(authority.certificate()) });
    let user = json!({
        "client-certificate-data": data(&user.certificate),
        "client-key-data": data(&user.key),
    });
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "e2e", "cluster": cluster }],
        "users": [{ "name": "e2e", "user": user }],
        "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": "e2e" } }],
        "current-context": "e2e",
    });
    // JSON is YAML.
    config.to_string()
}

/// Writes the kubeconfig of somebody who acts as another user, who may do everything.
pub(crate) fn impersonate(own: &Path, user: &str, to: &Path) -> Result<()> {
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(own)?)?;
    let who = &mut config["users"][0]["user"];
    who["as"] = user.into();
    who["as-groups"] = json!(["system:masters"]);
    fs::write(to, config.to_string()).with_context(|| format!("write {}", to.display()))
}

/// The client configuration that a kubeconfig file describes.
pub(crate) async fn read(path: &Path) -> Result<kube::Config> {
    let what = || format!("read the kubeconfig {}", path.display());
    let kubeconfig = Kubeconfig::read_from(path).with_context(what)?;
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(what)
}
