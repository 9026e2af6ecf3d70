//! An API server with the resource, a namespace, and operators that can be killed.

use std::{
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chatcluster_crds::ChatCluster;
use chatcluster_e2e::{ApiServer, Namespace};
use chatcluster_operator::kubernetes::{RunError, Settings, run};
use chatcluster_testkit::wait_for;
use clap::Parser;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Far more than any wait here needs.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The image that operators here have.
pub(crate) const IMAGE: &str = "registry.example/chatcluster:1";

/// The API server, with the resource known to it.
pub(crate) fn server() -> &'static ApiServer {
    static INSTALLED: OnceLock<String> = OnceLock::new();
    let server = ApiServer::shared();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/chatcluster.yaml");
    INSTALLED.get_or_init(|| server.install(&file, "chatclusters"));
    server
}

/// A namespace with one operator at a time.
pub(crate) struct World {
    pub(crate) namespace: Namespace,
    /// Whom operators of this world are to the API server.
    pub(crate) user: String,
}

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    settings: Settings,
}

/// An operator in this process.
pub(crate) struct Operator {
    pub(crate) task: JoinHandle<Result<(), RunError>>,
    shutdown: CancellationToken,
}

impl World {
    pub(crate) async fn new(purpose: &str) -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let namespace = server().namespace(purpose).await;
        Self { namespace, user: format!("operator-{number}") }
    }

    /// What an operator is told, for this namespace alone.
    pub(crate) fn settings(&self, more: &[&str]) -> Settings {
        let namespace = self.namespace.name();
        let fixed = [
            "run".to_owned(),
            format!("--watch-namespace={namespace}"),
            format!("--namespace={namespace}"),
            "--admin=127.0.0.1:0".to_owned(),
        ];
        let usual = ["--name=one".to_owned(), format!("--image={IMAGE}")];
        let same = |usual: &str, option: &str| usual.split('=').next() == option.split('=').next();
        let usual = usual.into_iter().filter(|usual| !more.iter().any(|more| same(usual, more)));
        let more = more.iter().map(|option| (*option).to_owned());
        Options::parse_from(fixed.into_iter().chain(usual).chain(more)).settings
    }

    pub(crate) fn client(&self) -> Client {
        Client::try_from(server().config_of(&self.user)).unwrap()
    }

    /// Starts an operator.
    pub(crate) fn operator(&self, more: &[&str]) -> Operator {
        self.operator_with(self.client(), more)
    }

    /// The same with another client.
    pub(crate) fn operator_with(&self, client: Client, more: &[&str]) -> Operator {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(client, self.settings(more), shutdown.clone()));
        Operator { task, shutdown }
    }

    pub(crate) fn clusters(&self) -> Api<ChatCluster> {
        self.namespace.api()
    }

    /// Creates a ChatCluster.
    pub(crate) async fn create(&self, name: &str, spec: Value) {
        let object = ChatCluster::new(name, serde_json::from_value(spec).unwrap());
        self.clusters().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Changes a ChatCluster.
    pub(crate) async fn change(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.clusters().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until a condition about the current spec has this reason, and returns it.
    pub(crate) async fn until(&self, name: &str, type_: &str, reason: &str) -> Condition {
        let mut last = Vec::new();
        let what = format!("{name}: {type_} says {reason}");
        let found = timeout(
            SOON,
            wait_for(&what, 2 * SOON, async || {
                let object = self.clusters().get(name).await.unwrap();
                let generation = object.metadata.generation;
                last = object.status.into_iter().flat_map(|status| status.conditions).collect();
                let found = last.iter().find(|condition| {
                    condition.type_ == type_
                        && condition.reason == reason
                        && condition.observed_generation == generation
                });
                found.cloned()
            }),
        );
        found.await.unwrap_or_else(|_| panic!("{name}: {type_} does not say {reason}: {last:#?}"))
    }

    /// Every object that the operator made here, as `kind/name`, sorted; what is generated is left out.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let kinds = "replicasets,statefulsets,services,configmaps,secrets,poddisruptionbudgets,networkpolicies";
        let mut kubectl = server().kubectl();
        kubectl.args([
            "get",
            kinds,
            "-oname",
            "-lapp.kubernetes.io/managed-by=chatcluster-operator",
        ]);
        kubectl.args(["--namespace", self.namespace.name()]);
        let output = tokio::task::spawn_blocking(move || kubectl.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The revision depends on the namespace.
        let name = |line: &str| match line.split_once("/main-gateway-") {
            Some((kind, rest)) if rest.len() == 10 => format!("{kind}/main-gateway-REVISION"),
            _ => line.to_owned(),
        };
        let mut names: Vec<_> = text.lines().map(name).collect();
        names.sort();
        names
    }
}

impl Operator {
    /// Ends it as SIGKILL would: in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}
