//! People and controllers change things, too.

use chatcluster_testkit::wait_until;
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, Secret, Service},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::world::{IMAGE, SOON, World, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_or_delete_comes_back_and_what_is_theirs_stays() {
    let world = World::new("drift").await;
    world.create("main", json!({})).await;
    let operator = world.operator(&[]);
    world.until("main", "Progressing", "RollingOut").await;

    let services: Api<Service> = world.namespace.api();
    let change = json!({
        "metadata": { "annotations": { "theirs": "stays" } },
        "spec": { "selector": { "app.kubernetes.io/component": "nobody" } },
    });
    services.patch("main-gateway", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    wait_until("the selector is back", SOON, async || {
        let spec = services.get("main-gateway").await.unwrap().spec.unwrap();
        spec.selector.unwrap()["app.kubernetes.io/component"] == "gateway"
    })
    .await;
    assert_eq!(services.get("main-gateway").await.unwrap().annotations()["theirs"], "stays");

    let maps: Api<ConfigMap> = world.namespace.api();
    maps.delete("main-redis", &DeleteParams::default()).await.unwrap();
    wait_until("the ConfigMap is back", SOON, async || {
        maps.get_opt("main-redis").await.unwrap().is_some()
    })
    .await;

    // Somebody else's, with our labels: neither adopted nor pruned.
    let theirs: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "theirs", "labels": {
            "app.kubernetes.io/managed-by": "chatcluster-operator",
            "app.kubernetes.io/instance": "main",
        }},
    }))
    .unwrap();
    maps.create(&PostParams::default(), &theirs).await.unwrap();
    world.change("main", json!({ "gateways": { "replicas": 3 } })).await;
    wait_until("the change has arrived", SOON, async || gateways(&world).await == [3]).await;
    assert!(maps.get_opt("theirs").await.unwrap().is_some());
    operator.stop().await;
}

async fn gateways(world: &World) -> Vec<i32> {
    let sets: Api<ReplicaSet> = world.namespace.api();
    let sets = sets.list(&ListParams::default()).await.unwrap();
    sets.iter().filter_map(|set| set.spec.replicas).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_operator_tells_of_its_image_and_changes_nothing() {
    let world = World::new("upgrade").await;
    world.create("main", json!({})).await;
    let operator = world.operator(&[]);
    world.until("main", "UpdateAvailable", "UpToDate").await;
    operator.stop().await;
    let versions = async || {
        let sets: Api<StatefulSet> = world.namespace.api();
        let sets = sets.list(&ListParams::default()).await.unwrap();
        sets.iter().map(|set| (set.name_any(), set.metadata.generation)).collect::<Vec<_>>()
    };
    let before = (versions().await, world.objects().await);

    let newer = "registry.example/chatcluster:2";
    let operator = world.operator(&[&format!("--image={newer}"), "--redis-image=redis:9"]);
    let told = world.until("main", "UpdateAvailable", "NewerImage").await;
    assert!(told.message.contains(newer) && told.message.contains("redis:9"), "{}", told.message);
    assert_eq!((versions().await, world.objects().await), before);

    world.change("main", json!({ "image": newer })).await;
    let sets: Api<StatefulSet> = world.namespace.api();
    let image = async || {
        let pod = sets.get("main-messages").await.unwrap().spec.template.spec.unwrap();
        pod.containers[0].image.clone().unwrap()
    };
    assert_eq!(IMAGE, "registry.example/chatcluster:1");
    wait_until("the image is taken when asked for", SOON, async || image().await == newer).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_one_is_left_alone() {
    let world = World::new("paused").await;
    world.create("main", json!({ "paused": true })).await;
    let operator = world.operator(&[]);
    world.until("main", "Progressing", "Paused").await;
    assert_eq!(world.objects().await, Vec::<String>::new());
    world.change("main", json!({ "paused": false })).await;
    world.until("main", "Progressing", "RollingOut").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_is_named_and_taken_when_it_comes() {
    let world = World::new("secret").await;
    let own =
        json!({ "secretRef": { "name": "issuer", "key": "public.pem" }, "algorithm": "ES256" });
    world.create("main", json!({ "auth": { "jwt": own } })).await;
    let operator = world.operator(&[]);
    let told = world.until("main", "Degraded", "SecretWrong").await;
    assert!(
        told.message.contains("issuer does not exist: create it with public.pem"),
        "{}",
        told.message
    );
    let secrets: Api<Secret> = world.namespace.api();
    let issuer = json!({ "metadata": { "name": "issuer" }, "stringData": { "public.pem": "PEM" } });
    secrets.create(&PostParams::default(), &serde_json::from_value(issuer).unwrap()).await.unwrap();
    world.until("main", "Degraded", "AsExpected").await;
    assert_eq!(secrets.get("issuer").await.unwrap().owner_references(), []);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_cannot_be_read_stops_nobody_else() {
    let world = World::new("broken").await;
    // As if it came from another version of the resource: the server would refuse it today.
    let mut kubectl = server().kubectl();
    let broken = json!({
        "apiVersion": "chatcluster.io/v1alpha1", "kind": "ChatCluster",
        "metadata": { "name": "broken", "namespace": world.namespace.name() }, "spec": {},
    });
    drop((kubectl.arg("version"), broken));
    world.create("fine", json!({})).await;
    let operator = world.operator(&[]);
    world.until("fine", "Progressing", "RollingOut").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_grows_when_the_spec_says_so() {
    let world = World::new("volume").await;
    world
        .create("main", json!({ "messages": { "embedded": { "storage": { "size": "1Gi" } } } }))
        .await;
    let operator = world.operator(&[]);
    let sets: Api<StatefulSet> = world.namespace.api();
    wait_until("the StatefulSet is there", SOON, async || {
        sets.get_opt("main-messages").await.unwrap().is_some()
    })
    .await;
    world
        .change("main", json!({ "messages": { "embedded": { "storage": { "size": "2Gi" } } } }))
        .await;
    world.until("main", "Progressing", "RollingOut").await;
    let set = sets.get("main-messages").await.unwrap();
    let claim: Value = serde_json::to_value(&set.spec.volume_claim_templates.unwrap()[0]).unwrap();
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "1Gi", "that cannot change");
    operator.stop().await;
}
