//! What a cluster is made of besides Kubernetes.

use crate::{Program, program::Source};

/// Answers names inside the cluster.
pub(crate) fn coredns() -> Program {
    package(
        "coredns",
        "CoreDNS 1.14.2 (about 2 minutes, once)",
        "github.com/coredns/coredns@v1.14.2",
    )
}

/// Enforces NetworkPolicies; nothing else of it is used.
pub(crate) fn kube_router() -> Program {
    package(
        "kube-router",
        "kube-router 2.1.0 (about 2 minutes, once)",
        "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@v2.1.0",
    )
}

/// Installs charts.
pub fn helm() -> Program {
    package("helm", "Helm 4.3.1 (about 2 minutes, once)", "helm.sh/helm/v4/cmd/helm@v4.3.1")
}

/// What runs in the pods of the scenarios, see `bin/probe.rs`.
pub fn probe() -> Program {
    Program {
        name: "probe",
        title: "the probe".into(),
        source: Source::RustFile(include_str!("bin/probe.rs")),
        variables: Vec::new(),
    }
}

fn package(name: &'static str, title: &str, path: &'static str) -> Program {
    Program { name, title: title.into(), source: Source::GoPackage(path), variables: Vec::new() }
}
