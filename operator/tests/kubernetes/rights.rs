//! The rights that the chart gives are enough.

use chatcluster_e2e::Helm;
use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use crate::world::{SOON, World, server};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/chatcluster-operator");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_with_the_charts_rights_is_refused_nothing() {
    let world = World::new("rights").await;
    let namespace = world.namespace.name();
    let (place, watch) =
        (format!("--namespace={namespace}"), format!("--set=watchNamespaces={{{namespace}}}"));
    let helm = Helm::on(server().kubeconfig()).unwrap();
    let image = "--set=image.repository=registry.example/chatcluster,crds.enabled=false";
    helm.run(&["install", "chatcluster-operator", CHART, &place, image, &watch]).unwrap();

    let account = format!("system:serviceaccount:{namespace}:chatcluster-operator");
    let mut config = server().config_of(&account);
    config.auth_info.impersonate_groups = None; // but for those that every account has
    world.create("main", json!({})).await;
    let operator = world.operator_with(Client::try_from(config).unwrap(), &[]);
    world.until("main", "Progressing", "TendingManager").await;

    // It changes, marks and mends.
    world.change("main", json!({ "gateways": { "replicas": 1 } })).await;
    let pods: Api<Pod> = world.namespace.api();
    wait_until("one gateway is left", SOON, async || {
        let gateways = ListParams::default().labels("app.kubernetes.io/component=gateway");
        pods.list(&gateways).await.unwrap().items.len() == 1
    })
    .await;
    let maps: Api<ConfigMap> = world.namespace.api();
    maps.delete("main-redis", &DeleteParams::default()).await.unwrap();
    wait_until("the ConfigMap is back", SOON, async || {
        maps.get_opt("main-redis").await.unwrap().is_some()
    })
    .await;
    operator.stop().await;

    let requests = server().requests_of(&account);
    let refused: Vec<_> = requests.iter().filter(|request| request.code == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let done = |verb: &str, resource: &str| {
        requests.iter().any(|request| request.verb == verb && request.resource == resource)
    };
    for (verb, resource) in [
        ("create", "secrets"),
        ("patch", "statefulsets"),
        ("patch", "chatclusters/status"),
        ("create", "events"),
        ("create", "leases"),
        ("watch", "pods"),
    ] {
        assert!(done(verb, resource), "it did not {verb} {resource}");
    }
}
