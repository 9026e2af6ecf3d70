//! The API server for tests does what a cluster does, short of running pods.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chatcluster_e2e::ApiServer;
use chatcluster_testkit::wait_until;
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

/// Three times what the slowest of these waits took on two busy cores, and more.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_replica_set_makes_its_pods_and_takes_them_along() {
    let namespace = ApiServer::shared().namespace("replica-set").await;
    let (sets, pods) = (namespace.api::<ReplicaSet>(), namespace.api::<Pod>());
    let labels = json!({ "app": "a" });
    let set = serde_json::from_value(json!({
        "metadata": { "name": "set" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "c", "image": "never-pulled" }] },
            },
        },
    }));
    sets.create(&PostParams::default(), &set.unwrap()).await.unwrap();
    wait_for_pods(&pods, 2).await;

    sets.delete("set", &DeleteParams::background()).await.unwrap();
    wait_for_pods(&pods, 0).await;
}

async fn wait_for_pods(pods: &Api<Pod>, expected: usize) {
    wait_until(&format!("there are {expected} pods"), SOON, async || {
        let alive = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
        let pods = pods.list(&ListParams::default()).await.expect("list the pods");
        pods.iter().filter(|pod| alive(pod)).count() == expected
    })
    .await;
}

#[tokio::test]
async fn what_is_owned_goes_with_its_owner() {
    let namespace = ApiServer::shared().namespace("owner").await;
    let maps = namespace.api::<ConfigMap>();
    let owner = serde_json::from_value(json!({ "metadata": { "name": "owner" } })).unwrap();
    let owner = maps.create(&PostParams::default(), &owner).await.unwrap();
    let owned = json!({ "metadata": { "name": "owned", "ownerReferences": [{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid,
    }]}});
    let owned = serde_json::from_value(owned).unwrap();
    maps.create(&PostParams::default(), &owned).await.unwrap();

    maps.delete("owner", &DeleteParams::background()).await.unwrap();
    wait_until("the owned one is collected", SOON, async || {
        maps.get_opt("owned").await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn a_namespace_is_deleted_at_the_end_of_its_test() {
    let server = ApiServer::shared();
    let namespace = server.namespace("short").await;
    let name = namespace.name().to_owned();
    drop(namespace);
    let all = Api::<k8s_openapi::api::core::v1::Namespace>::all(server.client());
    wait_until("the namespace is gone", SOON, async || all.get_opt(&name).await.unwrap().is_none())
        .await;
}

#[tokio::test]
async fn a_killed_owner_leaves_no_process_and_no_file() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_chatcluster-e2e"))
        .arg("api-server")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kubeconfig = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut kubeconfig).unwrap();
    let folder = Path::new(kubeconfig.trim()).parent().unwrap();
    assert_eq!(processes_of(folder), ["etcd", "kube-apiserver", "kube-controller-manager"]);

    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("all is gone", SOON, async || processes_of(folder).is_empty() && !folder.exists())
        .await;
}

/// The parts of Kubernetes that work in a folder, by name.
fn processes_of(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("read /proc").flatten();
    let inside = processes.filter(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    });
    let mut names: Vec<_> = inside
        .map(|process| {
            let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            line.split('\0').nth(1).unwrap_or_default().to_owned()
        })
        .collect();
    names.sort();
    names
}
