//! The resource on a real API server, from the committed YAML.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use chatcluster_crds::{ChatCluster, ChatClusterSpec};
use chatcluster_e2e::{ApiServer, Namespace};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::wrong::{self, Wrong};

/// The API server, with the resource known to it.
fn server() -> &'static ApiServer {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let server = ApiServer::shared();
    INSTALLED.get_or_init(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("chatcluster.yaml");
        let said = server.install(&file, "chatclusters");
        assert!(!said.contains("Warning"), "{said}");
    });
    server
}

async fn namespace(purpose: &str) -> Namespace {
    server().namespace(purpose).await
}

/// What a command that has to succeed says.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = text_of(&output);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

fn text_of(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "chatcluster.io/v1alpha1",
        "kind": "ChatCluster",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// `kubectl create`, as a person does it, with the object on standard input.
fn create(namespace: &Namespace, object: &Value) -> Output {
    let mut kubectl = server().kubectl();
    kubectl.args(["create", "--namespace", namespace.name(), "-f", "-"]);
    kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = kubectl.spawn().unwrap();
    child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn an_empty_spec_is_a_whole_one() {
    let namespace = namespace("empty").await;
    let created = create(&namespace, &object("main", &json!({})));
    assert!(created.status.success(), "{}", text_of(&created));
    let stored = namespace.api::<ChatCluster>().get("main").await.unwrap();
    assert_eq!(stored.spec, ChatClusterSpec::default());
}

#[tokio::test]
async fn each_mistake_is_refused_and_the_answer_names_field_and_remedy() {
    let namespace = namespace("wrong").await;
    let all: Vec<_> = wrong::values().into_iter().chain(wrong::unknown_fields()).collect();
    assert!(all.len() >= 25);
    for Wrong { name, spec, says } in &all {
        let answer = create(&namespace, &object(name, spec));
        assert!(!answer.status.success(), "{name}: {spec} was taken");
        let text = text_of(&answer);
        for part in *says {
            assert!(text.contains(part), "{name}: {spec}: no {part:?} in {text}");
        }
    }
    println!("{} mistakes refused", all.len());
}

#[tokio::test]
async fn it_scales_from_the_first_second() {
    let namespace = namespace("scale").await;
    let clusters: Api<ChatCluster> = namespace.api();
    let new = ChatCluster::new("main", serde_json::from_value(json!({})).unwrap());
    clusters.create(&PostParams::default(), &new).await.unwrap();
    let scale = clusters.get_scale("main").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(2));

    let kubectl = |arguments: &[&str]| {
        let mut command = server().kubectl();
        command.args(["--namespace", namespace.name()]).args(arguments);
        command
    };
    said(&mut kubectl(&["scale", "chatcluster/main", "--replicas=4"]));
    assert_eq!(clusters.get("main").await.unwrap().spec.gateways.replicas, 4);
    let none = kubectl(&["scale", "chatcluster/main", "--replicas=0"]).output().unwrap();
    assert!(text_of(&none).contains("greater than or equal to 1"), "{}", text_of(&none));

    // What an autoscaler reads, once somebody has written it.
    let status = json!({ "status": { "gateways": { "replicas": 3, "selector": "app=a" } } });
    clusters.patch_status("main", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let scale = clusters.get_scale("main").await.unwrap().status.unwrap();
    assert_eq!((scale.replicas, scale.selector.as_deref()), (3, Some("app=a")));
}

#[tokio::test]
async fn a_volume_grows_and_never_shrinks_or_moves() {
    let namespace = namespace("volume").await;
    let clusters: Api<ChatCluster> = namespace.api();
    let storage = |storage: Value| json!({ "messages": { "embedded": { "storage": storage } } });
    let class = json!({ "size": "2Gi", "storageClassName": "fast" });
    let created = create(&namespace, &object("main", &storage(class)));
    assert!(created.status.success(), "{}", text_of(&created));
    let change = async |spec: Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let changed = clusters.patch("main", &PatchParams::default(), &patch).await;
        changed.map(drop).map_err(|error| error.to_string())
    };
    change(storage(json!({ "size": "3Gi" }))).await.unwrap();
    for (wrong, says) in [
        (storage(json!({ "size": "2Gi" })), "size cannot shrink"),
        (storage(json!({ "storageClassName": "slow" })), "storageClassName cannot change"),
        (storage(json!({ "storageClassName": null })), "storageClassName cannot change"),
        // Leaving it out means the default, 10Gi, and no StorageClass.
        (storage(Value::Null), "storageClassName cannot change"),
        (json!({ "messages": null }), "storageClassName cannot change"),
    ] {
        let refused = change(wrong.clone()).await.unwrap_err();
        assert!(refused.contains(says), "{wrong}: {refused}");
    }
    // Removing it and adding it again is two changes, and the first is refused already.
    let size = clusters.get("main").await.unwrap().spec.messages.embedded.storage.size;
    assert_eq!(size.0, "3Gi");
}

#[tokio::test]
async fn a_redis_cluster_keeps_its_shards_and_takes_more_replicas() {
    let namespace = namespace("shards").await;
    let clusters: Api<ChatCluster> = namespace.api();
    let managed = json!({ "manager": { "managed": { "shards": 5, "replicasPerShard": 1 } } });
    let created = create(&namespace, &object("main", &managed));
    assert!(created.status.success(), "{}", text_of(&created));
    let change = async |managed: Value| {
        let patch = Patch::Merge(json!({ "spec": { "manager": { "managed": managed } } }));
        let changed = clusters.patch("main", &PatchParams::default(), &patch).await;
        changed.map(drop).map_err(|error| error.to_string())
    };
    change(json!({ "replicasPerShard": 2 })).await.unwrap();
    for (wrong, says) in [
        (json!({ "shards": 6 }), "shards cannot change"),
        (json!({ "shards": 4 }), "shards cannot change"),
        (json!({ "replicasPerShard": 1 }), "replicasPerShard cannot shrink"),
        // Leaving them out means the defaults.
        (json!({ "shards": null }), "shards cannot change"),
        (Value::Null, "shards cannot change"),
    ] {
        let refused = change(wrong.clone()).await.unwrap_err();
        assert!(refused.contains(says), "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn kubectl_shows_and_explains_it() {
    let namespace = namespace("kubectl").await;
    assert!(create(&namespace, &object("main", &json!({}))).status.success());
    for which in ["cc", "all"] {
        let shown = said(server().kubectl().args(["--namespace", namespace.name(), "get", which]));
        let words =
            |line: &str| shown.lines().any(|found| found.split_whitespace().eq(line.split(' ')));
        assert!(words("NAME READY STATUS GATEWAYS CONNECTIONS SHARDS ENGINE AGE"), "{shown}");
        assert!(shown.contains("main"), "{shown}");
    }
    let field = "chatcluster.spec.gateways.drain.timeout";
    let explained = said(server().kubectl().args(["explain", field]));
    assert!(explained.contains("Default 10m"), "{explained}");
}
