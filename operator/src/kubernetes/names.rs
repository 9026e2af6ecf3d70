//! What everything of a ChatCluster is called. No I/O.

use std::collections::BTreeMap;

use kube::api::ObjectMeta;

/// Who manages the objects, as field manager and as label.
pub(crate) const MANAGER: &str = "chatcluster-operator";

/// What the objects of every ChatCluster are, as label.
pub(crate) const PRODUCT: &str = "chatcluster";

/// Finds whatever the operator manages, of any ChatCluster.
pub(crate) const MANAGED: &str = "app.kubernetes.io/managed-by=chatcluster-operator";

/// The label that names the ChatCluster.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";

/// The label that names the part.
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";

/// The label that names a gateway's revision.
pub(crate) const REVISION: &str = "chatcluster.io/revision";

/// The label that names a Redis node's shard.
pub(crate) const SHARD: &str = "chatcluster.io/shard";

/// The annotation of a pod with what its configuration was when it started.
pub(crate) const CONFIG_HASH: &str = "chatcluster.io/config";

/// The annotation with what an object was last applied as.
pub(crate) const APPLIED: &str = "chatcluster.io/applied";

/// Labels of an object.
pub(crate) type Labels = BTreeMap<String, String>;

/// A part of a ChatCluster that has pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// Holds clients' connections.
    Gateway,
    /// The message service.
    Messages,
    /// The WebSocket manager's nodes.
    Redis,
}

impl Part {
    /// As label, and in names.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Messages => "messages",
            Self::Redis => "redis",
        }
    }
}

/// The names of one ChatCluster's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// The cluster's own domain: `cluster.local`.
    pub(crate) domain: String,
}

impl Names {
    /// What the objects of a part are called.
    pub(crate) fn part(&self, part: Part) -> String {
        self.with(part.as_str())
    }

    /// A Redis shard's StatefulSet.
    pub(crate) fn shard(&self, shard: usize) -> String {
        format!("{}-{shard}", self.part(Part::Redis))
    }

    /// A revision's ReplicaSet, and its configuration.
    pub(crate) fn revision(&self, revision: &str) -> String {
        format!("{}-{revision}", self.part(Part::Gateway))
    }

    /// The ConfigMap that tells clients what to trust.
    pub(crate) fn trust(&self) -> String {
        self.with("trust")
    }

    /// A Secret: `gateway-tls`, `messages-tls`, `server-tls`, `jwt`, `service-token`.
    pub(crate) fn with(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// A Service's name for whoever is in this cluster of Kubernetes.
    pub(crate) fn host(&self, service: &str) -> String {
        format!("{service}.{}.svc.{}", self.namespace, self.domain)
    }

    /// The prefix of every role's URI.
    pub(crate) fn identity(&self) -> String {
        let Self { name, namespace, domain } = self;
        format!("spiffe://{domain}/ns/{namespace}/chatcluster/{name}")
    }

    /// What finds a part's objects.
    pub(crate) fn selector(&self, part: Part) -> Labels {
        [("app.kubernetes.io/name", PRODUCT), (INSTANCE, &self.name), (COMPONENT, part.as_str())]
            .into_iter()
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .collect()
    }

    /// The same, and who manages them. Nothing in here ever changes: pods have these too.
    pub(crate) fn labels(&self, part: Part) -> Labels {
        let mut labels = self.selector(part);
        labels.insert("app.kubernetes.io/managed-by".into(), MANAGER.into());
        labels
    }

    /// Name and labels of an object of a part.
    pub(crate) fn meta(&self, part: Part, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels(part)),
            ..ObjectMeta::default()
        }
    }
}

/// A selector as text, as in `kubectl get -l`.
pub(crate) fn selector_text(labels: &Labels) -> String {
    let terms: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    terms.join(",")
}
