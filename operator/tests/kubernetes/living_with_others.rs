//! People and controllers change things, too.

use chatcluster_crds::ChatCluster;
use chatcluster_testkit::wait_until;
use k8s_openapi::{
    api::{
        apps::v1::{ReplicaSet, StatefulSet},
        core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret, Service},
        storage::v1::StorageClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::world::{IMAGE, SOON, World, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_or_delete_comes_back_and_what_is_theirs_stays() {
    let world = World::new("drift").await;
    world.create("main", json!({})).await;
    let operator = world.operator(&[]);
    world.until("main", "Progressing", "TendingManager").await;

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
    let sets: Api<ReplicaSet> = world.namespace.api();
    wait_until("a gateway of the new image is tried when asked for", SOON, async || {
        let sets = sets.list(&ListParams::default()).await.unwrap();
        let image = |set: &ReplicaSet| {
            let pod = set.spec.template.as_ref()?.spec.as_ref()?;
            pod.containers[0].image.clone()
        };
        let mut tried: Vec<_> =
            sets.iter().map(|set| (image(set).unwrap(), set.spec.replicas.unwrap())).collect();
        tried.sort();
        tried == [(IMAGE.to_owned(), 2), (newer.to_owned(), 1)]
    })
    .await;
    let told = world.until("main", "Progressing", "RollingOut").await;
    assert!(told.message.contains("0 ready of 2"), "{}", told.message);
    let sets: Api<StatefulSet> = world.namespace.api();
    let messages = sets.get("main-messages").await.unwrap().spec.template.spec.unwrap();
    assert_eq!(messages.containers[0].image.as_deref(), Some(IMAGE), "it waits for the gateways");
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
    world.until("main", "Progressing", "TendingManager").await;
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
    // As if an older version of the resource had let it through: the schema is looser for a moment.
    let api = Api::<CustomResourceDefinition>::all(server().client());
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/paused";
    let paused = async |value: Value| {
        let operations = json!([{ "op": "replace", "path": schema, "value": value }]);
        let patch = Patch::Json::<()>(serde_json::from_value(operations).unwrap());
        api.patch("chatclusters.chatcluster.io", &PatchParams::default(), &patch).await.unwrap()
    };
    let strict = serde_json::to_value(api.get("chatclusters.chatcluster.io").await.unwrap());
    let strict = strict.unwrap().pointer(schema).unwrap().clone();
    paused(json!({ "x-kubernetes-preserve-unknown-fields": true, "default": false })).await;
    let resource = ApiResource::erase::<ChatCluster>(&());
    let loose =
        Api::<DynamicObject>::namespaced_with(server().client(), world.namespace.name(), &resource);
    let broken: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "chatcluster.io/v1alpha1", "kind": "ChatCluster",
        "metadata": { "name": "broken" }, "spec": { "paused": "yes" },
    }))
    .unwrap();
    wait_until("the broken one is there", SOON, async || {
        loose.create(&PostParams::default(), &broken).await.is_ok()
    })
    .await;
    paused(strict).await;
    assert!(world.clusters().get("broken").await.is_err(), "it cannot be read");
    world.create("fine", json!({})).await;
    let operator = world.operator(&[]);
    world.until("fine", "Progressing", "TendingManager").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_grows_when_the_spec_says_so_and_it_can() {
    let world = World::new("volume").await;
    let storage = |size: &str, class: &str| {
        let storage = json!({ "size": size, "storageClassName": class });
        json!({ "messages": { "embedded": { "storage": storage } } })
    };
    let (grows, stays) =
        (Disk::new(&world, "grows", true).await, Disk::new(&world, "stays", false).await);
    world.create("one", storage("1Gi", &grows.class)).await;
    world.create("two", storage("1Gi", &stays.class)).await;
    let operator = world.operator(&[]);
    let claims: Api<PersistentVolumeClaim> = world.namespace.api();
    for name in ["data-one-messages-0", "data-two-messages-0"] {
        wait_until(&format!("{name} is bound"), SOON, async || {
            let claim = claims.get_opt(name).await.unwrap();
            claim.and_then(|claim| claim.status?.phase).as_deref() == Some("Bound")
        })
        .await;
    }
    world.change("one", storage("2Gi", &grows.class)).await;
    world.change("two", storage("2Gi", &stays.class)).await;
    wait_until("the claim asks for more", SOON, async || {
        let claim = claims.get("data-one-messages-0").await.unwrap();
        claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0 == "2Gi"
    })
    .await;
    let told = world.until("two", "Degraded", "VolumeCannotGrow").await;
    assert!(told.message.contains("data-two-messages-0"), "{}", told.message);
    // It holds nothing else up.
    world.until("two", "Progressing", "TendingManager").await;
    let sets: Api<StatefulSet> = world.namespace.api();
    let set = serde_json::to_value(sets.get("one-messages").await.unwrap()).unwrap();
    let claim = &set["spec"]["volumeClaimTemplates"][0];
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "1Gi", "that cannot change");
    operator.stop().await;
}

/// A StorageClass, and a volume of it; both are the whole cluster's, so they are named after the
/// namespace, and removed with this.
struct Disk {
    class: String,
}

impl Disk {
    async fn new(world: &World, purpose: &str, expands: bool) -> Self {
        let class = format!("{}-{purpose}", world.namespace.name());
        let storage_class = json!({
            "metadata": { "name": class }, "provisioner": "kubernetes.io/no-provisioner",
            "allowVolumeExpansion": expands,
        });
        let volume = json!({
            "metadata": { "name": class },
            "spec": {
                "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                "storageClassName": class, "hostPath": { "path": "/nowhere" },
            },
        });
        let (classes, volumes) = (
            Api::<StorageClass>::all(server().client()),
            Api::<PersistentVolume>::all(server().client()),
        );
        let how = PostParams::default();
        classes.create(&how, &serde_json::from_value(storage_class).unwrap()).await.unwrap();
        volumes.create(&how, &serde_json::from_value(volume).unwrap()).await.unwrap();
        Self { class }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for kind in ["pv", "storageclass"] {
            let mut kubectl = server().kubectl();
            let _ = kubectl.args(["delete", kind, &self.class, "--wait=false"]).output();
        }
    }
}
