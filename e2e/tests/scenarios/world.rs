//! The cluster as the scenarios see it.

use std::{env, path::PathBuf, process::Command, time::Duration};

use chatcluster_e2e::{Cluster, Namespace};
use chatcluster_testkit::{wait_for, wait_until};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// Each wait's own limit; a scenario's is tighter on the whole.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A cluster, and a namespace in it for one scenario.
pub(crate) struct World {
    pub(crate) namespace: Namespace,
    pub(crate) client: Client,
    cluster: Cluster,
    kubeconfig: PathBuf,
}

/// Plays a scenario and says how long it took. It fails when it takes longer than `limit` seconds,
/// which is at least three times what it needs.
pub(crate) async fn scenario(name: &str, limit: u64, play: impl AsyncFnOnce(&World)) {
    let (start, limit) = (Instant::now(), Duration::from_secs(limit));
    let played = timeout(limit, async {
        let world = World::new().await;
        play(&world).await;
    });
    assert!(played.await.is_ok(), "{name}: not within {limit:?}");
    println!("{name}: {:.1} s of at most {limit:?}", start.elapsed().as_secs_f64());
}

/// The cluster that the scenarios are told to use, unless it is our own.
pub(crate) fn foreign() -> Option<PathBuf> {
    env::var_os("E2E_KUBECONFIG").map(PathBuf::from)
}

impl World {
    pub(crate) async fn new() -> Self {
        let cluster = Cluster::of_this_machine().unwrap();
        let kubeconfig = foreign().unwrap_or_else(|| cluster.kubeconfig());
        let file = Kubeconfig::read_from(&kubeconfig).expect("a cluster: chatcluster-e2e up");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
        let client = Client::try_from(config.clone()).unwrap();
        let namespace = Namespace::create(config, "e2e").await.unwrap();
        Self { namespace, client, cluster, kubeconfig }
    }

    /// The file that makes a client of the cluster.
    pub(crate) fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// kubectl in the scenario's namespace: what it says, or what went wrong.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut kubectl = self.cluster.kubectl().unwrap();
        kubectl.env("KUBECONFIG", &self.kubeconfig);
        kubectl.args(["-n", self.namespace.name()]).args(arguments);
        output(kubectl).await
    }

    /// What a shell script calls for kubectl.
    pub(crate) fn kubectl_line(&self) -> String {
        let kubectl = self.cluster.kubectl().unwrap();
        let words = std::iter::once(kubectl.get_program()).chain(kubectl.get_args());
        words.map(|word| format!("'{}'", word.display())).collect::<Vec<_>>().join(" ")
    }

    /// The cluster as the tool that started it sees it.
    pub(crate) fn cluster(&self) -> &Cluster {
        assert!(foreign().is_none(), "this is not possible on a cluster of somebody else");
        &self.cluster
    }

    /// The names of all nodes that pods may run on, in order.
    pub(crate) async fn nodes(&self) -> Vec<String> {
        let nodes = Api::<Node>::all(self.client.clone());
        let nodes = nodes.list(&ListParams::default()).await.unwrap();
        let tainted = |node: &&Node| node.spec.as_ref().is_some_and(|spec| spec.taints.is_some());
        let mut names: Vec<_> =
            nodes.iter().filter(|node| !tainted(node)).map(|node| node.name_any()).collect();
        names.sort();
        assert!(!names.is_empty(), "there is a node");
        names
    }

    /// Creates a resource in the scenario's namespace.
    pub(crate) async fn create<K>(&self, resource: Value) -> K
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
        K::DynamicType: Default,
    {
        let resource = serde_json::from_value(resource).unwrap();
        self.namespace.api().create(&PostParams::default(), &resource).await.unwrap()
    }

    /// Starts a pod that answers on port 8080 with its name, and waits until it does. `more` is
    /// merged into its spec.
    pub(crate) async fn pod(&self, name: &str, labels: Value, more: Value) {
        let image = env::var("E2E_PROBE_IMAGE").unwrap_or("localhost/probe:dev".into());
        let mut spec = json!({
            "containers": [{
                "name": "probe", "image": image, "args": ["serve", "8080"],
                "readinessProbe": { "httpGet": { "port": 8080 }, "periodSeconds": 1 },
            }],
            "terminationGracePeriodSeconds": 0,
        });
        for (key, value) in more.as_object().unwrap() {
            match key.as_str() {
                "volumeMounts" => spec["containers"][0][key] = value.clone(),
                _ => spec[key] = value.clone(),
            }
        }
        let metadata = json!({ "name": name, "labels": labels });
        self.create::<Pod>(json!({ "metadata": metadata, "spec": spec })).await;
        wait_until(&format!("pod {name} is ready"), SOON, async || {
            let pod = self.namespace.api::<Pod>().get(name).await.unwrap();
            let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
            conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
        })
        .await;
    }

    /// Has a pod's probe do something, and returns what it printed, or what went wrong.
    pub(crate) async fn probe(&self, pod: &str, arguments: &[&str]) -> Result<String, String> {
        self.kubectl(&[&["exec", pod, "--", "/probe"], arguments].concat()).await
    }

    /// Has a probe ask until it gets an answer: rules reach all nodes some moments after they are
    /// written.
    pub(crate) async fn answer(&self, pod: &str, address: &str) -> String {
        wait_for(&format!("{pod} gets an answer of {address}"), SOON, async || {
            self.probe(pod, &["get", address]).await.ok()
        })
        .await
    }
}

async fn output(mut command: Command) -> Result<String, String> {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
