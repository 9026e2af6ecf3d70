//! The configuration files of a node's programs.

use serde_json::{Value, json};

use super::layout::{DNS_SERVICE, Layout, PODS, node_cgroup, node_name, node_pods};

/// containerd's socket, in a node's own /run.
pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";

/// For the kubelet.
pub(crate) fn kubelet(layout: &Layout, node: u8) -> Value {
    let (name, file) = (node_name(node), |file: &str| layout.text(file));
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": file("pki/ca.pem") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": file(&format!("pki/{name}.pem")),
        "tlsPrivateKeyFile": file(&format!("pki/{name}.key")),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", node_cgroup(node)),
        "failCgroupV1": false,
        "failSwapOn": false,
        // Lowering it needs a capability that containers which run builds often lack.
        "oomScoreAdj": 0,
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE],
        "resolvConf": file("resolv.conf"),
        // The disk is the machine's: how full it is, is not the node's business.
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "1%",
            "imagefs.available": "1%", "nodefs.inodesFree": "1%" },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": layout.node(node, "pod-logs"),
        "volumePluginDir": layout.node(node, "volume-plugins"),
        "serializeImagePulls": false,
        // The lease is renewed four times in this, so every 4 s: see the controller manager's grace.
        "nodeLeaseDurationSeconds": 16,
        "shutdownGracePeriod": "0s",
    })
}

/// For kube-proxy.
pub(crate) fn kube_proxy(layout: &Layout, node: u8) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": layout.text("kube-proxy.conf") },
        "hostnameOverride": node_name(node),
        "mode": "iptables",
        "clusterCIDR": PODS,
        "oomScoreAdj": 0,
        // These settings are the whole machine's.
        "conntrack": { "maxPerCore": 0, "min": 0,
            "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    })
}

/// For the network plugins.
pub(crate) fn cni(layout: &Layout, node: u8) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "isDefaultGateway": true,
                "ipMasq": false, "hairpinMode": true,
                "ipam": { "type": "host-local", "ranges": [[{ "subnet": node_pods(node) }]],
                    "dataDir": layout.node(node, "cni/addresses") },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

/// For containerd, in TOML.
pub(crate) fn containerd(layout: &Layout, node: u8) -> String {
    let plugins = layout.debian().join("usr/lib/cni");
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd/state"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:dev"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"
"#,
        root = layout.node(node, "containerd"),
        plugins = plugins.display(),
        networks = layout.node(node, "cni/networks"),
        opt = layout.node(node, "containerd-opt"),
    )
}
