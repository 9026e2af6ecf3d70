//! An API server with ChatClusters and with much that has nothing to do with them.

use std::{collections::HashMap, fmt::Debug, path::PathBuf};

use anyhow::Context;
use chatcluster_crds::ChatCluster;
use chatcluster_e2e::{ApiServer, Kubelet, KubeletOptions, Namespace, Request};
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ReplicaSet, StatefulSet},
        core::v1::{ConfigMap, Pod, Secret},
    },
};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// ChatClusters of a namespace. Those of the first have real Redis nodes.
pub(super) const PER_NAMESPACE: usize = 20;
/// Three shards of Redis, and the message service.
const STATEFUL_SETS: usize = 4;
/// Whom the operator is to the API server.
const USER: &str = "operator";
/// Requests at the same time.
const AT_ONCE: usize = 32;

pub(super) struct World {
    server: &'static ApiServer,
    /// In the order in which they end: a kubelet before its namespace.
    tenants: Vec<(Kubelet, Namespace)>,
    foreign: Namespace,
    clusters: usize,
}

impl World {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let server = tokio::task::spawn_blocking(|| {
            let server = ApiServer::shared();
            let file = std::env::current_dir()?.join("crds/chatcluster.yaml");
            anyhow::ensure!(
                file.is_file(),
                "{} is not here: run it by `make footprint`",
                file.display()
            );
            server.install(&file, "chatclusters");
            Ok(server)
        });
        let server = server.await??;
        let foreign = server.namespace("foreign").await;
        Ok(Self { server, tenants: Vec::new(), foreign, clusters: 0 })
    }

    /// A file for a program that is to be told apart by [`Self::requests`].
    pub(super) fn operators_kubeconfig(&self) -> anyhow::Result<PathBuf> {
        self.server.kubeconfig_of(USER)
    }

    /// A file for a program that is not.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.server.kubeconfig().to_owned()
    }

    /// What the operator has asked for so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.server.requests_of(USER)
    }

    /// ChatClusters whose Redis nodes run.
    pub(super) fn real(&self) -> usize {
        self.clusters.min(PER_NAMESPACE)
    }

    /// Objects of the kinds that the operator watches, and Secrets; of the size that such objects have.
    pub(super) async fn create_foreign(&self, objects: usize) -> anyhow::Result<()> {
        let labels =
            json!({ "app.kubernetes.io/name": "other", "app.kubernetes.io/managed-by": "Helm" });
        let text = "a line of some configuration\n".repeat(40);
        let container = json!({
            "name": "main",
            "image": "registry.example/other:1",
            "env": (0..10).map(|n| json!({ "name": format!("VARIABLE_{n}"), "value": "a value" }))
                .collect::<Vec<_>>(),
            "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
        });
        let pod = json!({ "containers": [container] });
        let template = json!({ "metadata": { "labels": labels }, "spec": pod });
        let of =
            json!({ "replicas": 0, "selector": { "matchLabels": labels }, "template": template });
        let part = objects / 5;
        let maps = objects - 4 * part;
        self.create::<ConfigMap>(maps, &labels, &json!({ "data": { "config": text } })).await?;
        self.create::<Secret>(part, &labels, &json!({ "stringData": { "key": text } })).await?;
        self.create::<Pod>(2 * part, &labels, &json!({ "spec": pod })).await?;
        self.create::<ReplicaSet>(part, &labels, &json!({ "spec": of })).await
    }

    async fn create<K>(&self, objects: usize, labels: &Value, rest: &Value) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let api: Api<K> = self.foreign.api();
        let creating = (0..objects).map(|number| {
            let mut object = rest.clone();
            object["metadata"] = json!({ "name": format!("other-{number}"), "labels": labels });
            let api = api.clone();
            async move {
                let object: K = serde_json::from_value(object)?;
                api.create(&Default::default(), &object).await.map(drop)?;
                anyhow::Ok(())
            }
        });
        let what = || format!("create {objects} {}", K::plural(&()));
        stream::iter(creating).buffer_unordered(AT_ONCE).try_collect().await.with_context(what)
    }

    /// ChatClusters with an empty spec.
    pub(super) async fn create_chatclusters(&mut self, clusters: usize) -> anyhow::Result<()> {
        for first in (0..clusters).step_by(PER_NAMESPACE) {
            let namespace = self.server.namespace("tenants").await;
            let really = if first == 0 { |_: &Pod| true } else { |_: &Pod| false };
            let options = KubeletOptions { really, ..KubeletOptions::default() };
            let kubelet = Kubelet::start(self.server, &namespace, options);
            let api: Api<ChatCluster> = namespace.api();
            for number in first..clusters.min(first + PER_NAMESPACE) {
                let object = ChatCluster::new(&format!("chat-{number}"), Default::default());
                api.create(&Default::default(), &object).await?;
            }
            self.tenants.push((kubelet, namespace));
        }
        self.clusters = clusters;
        Ok(())
    }

    /// How many ChatClusters are Ready, and of how many more every pod is.
    pub(super) async fn progress(&self) -> anyhow::Result<(usize, usize)> {
        let clusters: Api<ChatCluster> = Api::all(self.server.client());
        let sets: Api<StatefulSet> = Api::all(self.server.client());
        let mut ready = HashMap::<_, usize>::new();
        for set in sets.list(&ListParams::default()).await? {
            let of = (set.namespace(), set.labels().get("app.kubernetes.io/instance").cloned());
            let wanted = set.spec.replicas;
            let is_ready = set.status.is_some_and(|status| status.ready_replicas == wanted);
            *ready.entry(of).or_default() += usize::from(is_ready);
        }
        let (mut whole, mut rest) = (0, 0);
        for cluster in clusters.list(&ListParams::default()).await? {
            let status = cluster.status.clone().unwrap_or_default();
            let is = |type_: &str| {
                status.conditions.iter().any(|one| one.type_ == type_ && one.status == "True")
            };
            let of = (cluster.namespace(), Some(cluster.name_any()));
            let all_ready = is("GatewaysReady") && ready.get(&of) == Some(&STATEFUL_SETS);
            (whole, rest) = match (is("Ready"), all_ready) {
                (true, _) => (whole + 1, rest),
                (false, true) => (whole, rest + 1),
                (false, false) => (whole, rest),
            };
        }
        Ok((whole, rest))
    }
}
