//! The control plane: etcd, API server, controller manager, scheduler.

use anyhow::Result;

use super::{API_SOCKET, Service, api_forward, keep_running, wait_for_network};
use crate::{
    cluster::{CONTROL_PLANE, Layout, SERVICES},
    kubernetes::part,
};

/// Runs it. Returns only when it cannot.
pub(crate) fn control_plane(layout: &Layout) -> Result<()> {
    wait_for_network()?;
    api_forward::serve(&layout.file(API_SOCKET), "127.0.0.1:6443")?;
    let file = |name: &str| layout.text(name);
    let service = |name: &'static str, flags: Vec<String>| -> Result<Service> {
        let mut command = part(name)?;
        command.args(flags.iter().map(|flag| format!("--{flag}")));
        Ok(Service { name, command })
    };
    let etcd = "http://127.0.0.1:2379";
    let services = vec![
        service(
            "etcd",
            vec![
                format!("data-dir={}", file("control-plane/etcd")),
                // The cluster does not survive the machine.
                "unsafe-no-fsync".into(),
                "log-level=warn".into(),
            ],
        )?,
        service(
            "kube-apiserver",
            vec![
                format!("etcd-servers={etcd}"),
                format!("advertise-address={CONTROL_PLANE}"),
                // It works with one address that never changes, and needs no local interface.
                "endpoint-reconciler-type=lease".into(),
                format!("service-cluster-ip-range={SERVICES}"),
                "authorization-mode=Node,RBAC".into(),
                "enable-admission-plugins=NodeRestriction".into(),
                "allow-privileged".into(),
                format!("client-ca-file={}", file("pki/ca.pem")),
                format!("tls-cert-file={}", file("pki/apiserver.pem")),
                format!("tls-private-key-file={}", file("pki/apiserver.key")),
                format!("kubelet-client-certificate={}", file("pki/kubelet-client.pem")),
                format!("kubelet-client-key={}", file("pki/kubelet-client.key")),
                format!("kubelet-certificate-authority={}", file("pki/ca.pem")),
                "kubelet-preferred-address-types=InternalIP".into(),
                format!("service-account-key-file={}", file("pki/tokens.pub")),
                format!("service-account-signing-key-file={}", file("pki/tokens.key")),
                "service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            ],
        )?,
        service(
            "kube-controller-manager",
            vec![
                format!("kubeconfig={}", file("controllers.conf")),
                "bind-address=127.0.0.1".into(),
                format!("root-ca-file={}", file("pki/ca.pem")),
                format!("cluster-signing-cert-file={}", file("pki/ca.pem")),
                format!("cluster-signing-key-file={}", file("pki/ca.key")),
                format!("service-account-private-key-file={}", file("pki/tokens.key")),
                "use-service-account-credentials".into(),
                "leader-elect=false".into(),
                // A lost node is noticed after four renewals of its lease that did not come, instead
                // of after 50 s.
                "node-monitor-grace-period=16s".into(),
                "node-monitor-period=2s".into(),
            ],
        )?,
        service(
            "kube-scheduler",
            vec![
                format!("kubeconfig={}", file("scheduler.conf")),
                "bind-address=127.0.0.1".into(),
                "leader-elect=false".into(),
            ],
        )?,
    ];
    keep_running(layout, "control-plane", services)
}
