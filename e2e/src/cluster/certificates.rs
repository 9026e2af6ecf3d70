//! The certificates and kubeconfigs of a cluster, as files.

use anyhow::Result;

use super::layout::{API_SERVICE, CONTROL_PLANE, Layout, NODES, node_address, node_name};
use crate::{
    kubeconfig,
    pki::{Authority, SigningKey},
};

/// Writes them all. `port` is that of the API on this machine's loopback.
pub(crate) fn write(layout: &Layout, port: u16) -> Result<()> {
    let authority = Authority::generate()?;
    layout.write("pki/ca.pem", authority.certificate())?;
    layout.write("pki/ca.key", &authority.key())?;
    let tokens = SigningKey::generate()?;
    layout.write("pki/tokens.key", &tokens.private)?;
    layout.write("pki/tokens.pub", &tokens.public)?;

    let url = format!("https://{CONTROL_PLANE}:6443");
    // A file of certificate and key, and a kubeconfig, for each that has one or the other.
    let issue = |name: &str, user: &str, group: &str, hosts: &[&str], url: &str| -> Result<()> {
        let issued = authority.issue(user, group, hosts)?;
        layout.write(&format!("pki/{name}.pem"), &issued.certificate)?;
        layout.write(&format!("pki/{name}.key"), &issued.key)?;
        layout.write(&format!("{name}.conf"), &kubeconfig::text(url, &authority, &issued))
    };
    let service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let full = "kubernetes.default.svc.cluster.local";
    let addresses = [API_SERVICE, CONTROL_PLANE, "127.0.0.1", full];
    issue("apiserver", "kube-apiserver", "", &[&service[..], &addresses].concat(), &url)?;
    issue("kubelet-client", "kube-apiserver-kubelet-client", "system:masters", &[], &url)?;
    issue("controllers", "system:kube-controller-manager", "", &[], &url)?;
    issue("scheduler", "system:kube-scheduler", "", &[], &url)?;
    issue("kube-proxy", "system:kube-proxy", "", &[], &url)?;
    issue("kube-router", "kube-router", "system:masters", &[], &url)?;
    for node in NODES {
        let (name, address) = (node_name(node), node_address(node));
        let user = format!("system:node:{name}");
        issue(&name, &user, "system:nodes", &[&name, &address], &url)?;
    }
    issue("admin", "admin", "system:masters", &[], &format!("https://127.0.0.1:{port}"))
}
