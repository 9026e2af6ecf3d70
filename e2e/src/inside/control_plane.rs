//! The control plane: etcd, API server, controller manager, scheduler.

use anyhow::Result;

use super::{API_SOCKET, Service, api_forward, keep_running, wait_for_network};
use crate::{
    cluster::{CONTROL_PLANE, Layout},
    flags,
    kubernetes::part_with,
};

/// Runs it. Returns only when it cannot.
pub(crate) fn control_plane(layout: &Layout) -> Result<()> {
    wait_for_network()?;
    api_forward::serve(&layout.file(API_SOCKET), "127.0.0.1:6443")?;
    let pki = |name: &str| layout.text(&format!("pki/{name}"));
    let service = |name: &'static str, flags: &[Vec<String>]| -> Result<Service> {
        Ok(Service { name, command: part_with(name, flags)? })
    };
    let services = vec![
        service(
            "etcd",
            &[vec![
                format!("data-dir={}", layout.text("control-plane/etcd")),
                // The cluster does not survive the machine.
                "unsafe-no-fsync".into(),
                "log-level=warn".into(),
            ]],
        )?,
        service(
            "kube-apiserver",
            &[
                flags::api_server("http://127.0.0.1:2379", pki),
                vec![
                    format!("advertise-address={CONTROL_PLANE}"),
                    // It works with one address that never changes, and needs no local interface.
                    "endpoint-reconciler-type=lease".into(),
                    "authorization-mode=Node,RBAC".into(),
                    "enable-admission-plugins=NodeRestriction".into(),
                    format!("kubelet-client-certificate={}", pki("kubelet-client.pem")),
                    format!("kubelet-client-key={}", pki("kubelet-client.key")),
                    format!("kubelet-certificate-authority={}", pki("ca.pem")),
                    "kubelet-preferred-address-types=InternalIP".into(),
                ],
            ],
        )?,
        service(
            "kube-controller-manager",
            &[
                flags::controller_manager(&layout.text("controllers.conf"), pki),
                vec![
                    "bind-address=127.0.0.1".into(),
                    // A lost node is noticed after four renewals of its lease that did not come,
                    // instead of after 50 s.
                    "node-monitor-grace-period=16s".into(),
                    "node-monitor-period=2s".into(),
                ],
            ],
        )?,
        service(
            "kube-scheduler",
            &[vec![
                format!("kubeconfig={}", layout.text("scheduler.conf")),
                "bind-address=127.0.0.1".into(),
                "leader-elect=false".into(),
            ]],
        )?,
    ];
    keep_running(layout, "control-plane", services)
}
