//! Every object of an empty spec, and what each field of a full one changes.

use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::cluster::testing::cluster_with;

fn cluster(spec: Value) -> Cluster {
    cluster_with(spec, &[])
}

fn all(cluster: &Cluster) -> Desired {
    let now = Circumstances { trust_bundle: "PEM".into(), gateway_may_go: true };
    desired(cluster, revision(cluster), &now)
}

fn yaml_of(objects: impl IntoIterator<Item = impl Serialize>) -> String {
    let texts: Vec<_> =
        objects.into_iter().map(|object| serde_yaml::to_string(&object).unwrap()).collect();
    texts.join("---\n")
}

#[test]
fn the_objects_of_an_empty_spec() {
    let Desired { config_maps, services, policies, budgets, stateful_sets, gateways } =
        all(&cluster(json!({})));
    insta::assert_snapshot!("config_maps", yaml_of(config_maps));
    insta::assert_snapshot!("services", yaml_of(services));
    insta::assert_snapshot!("policies", yaml_of(policies));
    insta::assert_snapshot!("budgets", yaml_of(budgets));
    let [first, .., messages] = &stateful_sets[..] else { panic!("{}", stateful_sets.len()) };
    insta::assert_snapshot!("redis", yaml_of([first]));
    insta::assert_snapshot!("messages", yaml_of([messages]));
    insta::assert_snapshot!("gateway_config", yaml_of([&gateways.config_map]));
    insta::assert_snapshot!("gateways", yaml_of([&gateways.replica_set]));
}

/// The value at a path such as `spec/template`.
fn at(object: &impl Serialize, path: &str) -> Value {
    let value = serde_json::to_value(object).unwrap();
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    value.pointer(&path).cloned().unwrap_or_default()
}

const POD: &str = "spec/template/spec";

fn pod(wishes: Value) -> Value {
    let gateways = all(&cluster(json!({ "gateways": { "pod": wishes } }))).gateways;
    at(&gateways.replica_set, "spec/template")
}

#[test]
fn a_pods_wishes_arrive() {
    let wishes = json!({
        "resources": { "requests": { "cpu": 2 }, "limits": { "memory": "9Gi" } },
        "nodeSelector": { "disk": "fast" },
        "tolerations": [{ "key": "chat", "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "priorityClassName": "high",
        "labels": { "team": "chat", "app.kubernetes.io/name": "mine" },
        "annotations": { "a/b": "c" },
    });
    let pod = pod(wishes);
    assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"], "2");
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["memory"], "9Gi");
    assert_eq!(pod["spec"]["nodeSelector"]["disk"], "fast");
    assert_eq!(pod["spec"]["tolerations"][0]["key"], "chat");
    assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 3);
    assert!(pod["spec"]["affinity"]["nodeAffinity"].is_object());
    assert_eq!(pod["spec"]["priorityClassName"], "high");
    assert_eq!(pod["metadata"]["labels"]["team"], "chat");
    assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/name"], "chatcluster", "ours win");
    assert_eq!(pod["metadata"]["annotations"]["a/b"], "c");
}

#[test]
fn what_a_gateway_needs_follows_from_its_connections() {
    let memory = |connections: u32| {
        let spec = json!({ "gateways": { "connectionsPerPod": connections } });
        let set = all(&cluster(spec)).gateways.replica_set;
        let resources = at(&set, &format!("{POD}/containers/0/resources"));
        (resources["requests"]["memory"].clone(), resources["limits"]["memory"].clone())
    };
    assert_eq!(memory(10_000), (json!("204Mi"), json!("684Mi")));
    assert_eq!(memory(100_000), (json!("1610Mi"), json!("4903Mi")));
}

#[test]
fn whatever_restarts_gateways_is_another_revision_and_nothing_else_is() {
    let revision = |spec: Value| all(&cluster(spec)).gateways.revision;
    let empty = revision(json!({}));
    assert_eq!(revision(json!({ "gateways": { "replicas": 5 } })), empty);
    assert_eq!(revision(json!({ "manager": { "managed": { "shards": 5 } } })), empty);
    assert_eq!(revision(json!({ "gateways": { "service": { "type": "NodePort" } } })), empty);
    assert_eq!(revision(json!({ "gateways": { "tls": { "hosts": ["a.example"] } } })), empty);
    for changed in [
        json!({ "gateways": { "connectionsPerPod": 5 } }),
        json!({ "gateways": { "origins": ["https://a.example"] } }),
        json!({ "gateways": { "webhook": { "url": "http://backend.chat/waiting" } } }),
        json!({ "gateways": { "drain": { "timeout": "1m" } } }),
        json!({ "gateways": { "tls": { "type": "Terminated" } } }),
        json!({ "auth": { "jwt": { "issuer": "me" } } }),
        json!({ "image": "other:2" }),
    ] {
        assert_ne!(revision(changed.clone()), empty, "{changed}");
    }
}

#[test]
fn a_certificate_and_a_key_of_ones_own_are_mounted() {
    let spec = json!({
        "gateways": { "tls": { "type": "SecretRef", "secretRef": { "name": "mine" } } },
        "auth": { "jwt": { "algorithm": "ES256", "secretRef": { "name": "issuer", "key": "public.pem" } } },
    });
    let gateways = all(&cluster(spec)).gateways;
    let volumes = at(&gateways.replica_set, &format!("{POD}/volumes")).to_string();
    assert!(volumes.contains(r#""secretName":"mine""#), "{volumes}");
    assert!(volumes.contains(r#""secretName":"issuer""#), "{volumes}");
    let config = at(&gateways.config_map, "data/gateway.yaml");
    let config = config.as_str().unwrap();
    assert!(config.contains("algorithm: ES256"), "{config}");
    assert!(config.contains("/etc/chatcluster/jwt/public.pem"), "{config}");
}

#[test]
fn tls_that_ends_elsewhere_leaves_a_plain_port() {
    let spec = json!({ "gateways": { "tls": { "type": "Terminated" } } });
    let Desired { gateways, services, .. } = all(&cluster(spec));
    let config = at(&gateways.config_map, "data/gateway.yaml");
    assert!(!config.as_str().unwrap().contains("server-tls"), "{config}");
    assert!(!at(&gateways.replica_set, POD).to_string().contains("server-tls"));
    assert_eq!(at(&services[0], "spec/ports/0/appProtocol"), "kubernetes.io/ws");
}

#[test]
fn the_service_is_as_asked_for() {
    let service = json!({
        "type": "LoadBalancer", "annotations": { "a": "b" }, "loadBalancerClass": "c/d",
        "externalTrafficPolicy": "Cluster",
    });
    let services = all(&cluster(json!({ "gateways": { "service": service } }))).services;
    assert_eq!(at(&services[0], "spec/type"), "LoadBalancer");
    assert_eq!(at(&services[0], "metadata/annotations/a"), "b");
    assert_eq!(at(&services[0], "spec/loadBalancerClass"), "c/d");
    assert_eq!(at(&services[0], "spec/externalTrafficPolicy"), "Cluster");
    let node_port = json!({ "gateways": { "service": { "type": "NodePort" } } });
    let services = all(&cluster(node_port)).services;
    assert_eq!(at(&services[0], "spec/externalTrafficPolicy"), "Local");
}

#[test]
fn storage_is_as_asked_for() {
    let storage = json!({ "size": "7Gi", "storageClassName": "fast", "whenDeleted": "Delete" });
    let spec = json!({ "messages": { "embedded": { "storage": storage } } });
    let sets = all(&cluster(spec)).stateful_sets;
    let messages = sets.last().unwrap();
    let claim = at(messages, "spec/volumeClaimTemplates/0/spec");
    assert_eq!(claim["resources"]["requests"]["storage"], "7Gi");
    assert_eq!(claim["storageClassName"], "fast");
    assert_eq!(at(messages, "spec/persistentVolumeClaimRetentionPolicy/whenDeleted"), "Delete");
}

#[test]
fn shards_and_replicas_are_as_asked_for() {
    let managed = json!({ "shards": 4, "replicasPerShard": 2, "image": "redis:9" });
    let sets = all(&cluster(json!({ "manager": { "managed": managed } }))).stateful_sets;
    assert_eq!(sets.len(), 5);
    for (shard, set) in sets[..4].iter().enumerate() {
        assert_eq!(at(set, "metadata/name"), format!("main-redis-{shard}"));
        assert_eq!(at(set, "spec/replicas"), 3);
        assert_eq!(at(set, &format!("{POD}/containers/0/image")), "redis:9");
    }
}

#[test]
fn the_operators_own_options_arrive() {
    let options = ["--image-pull-policy=Never", "--image-pull-secret=pull", "--namespace=ops"];
    let cluster = cluster_with(json!({}), &options);
    let Desired { gateways, policies, .. } = all(&cluster);
    assert_eq!(at(&gateways.replica_set, &format!("{POD}/containers/0/imagePullPolicy")), "Never");
    assert_eq!(at(&gateways.replica_set, &format!("{POD}/imagePullSecrets/0/name")), "pull");
    assert!(yaml_of(policies).contains("kubernetes.io/metadata.name: ops"));
}

#[test]
fn everything_is_owned_and_nothing_may_be_evicted_while_the_budget_is_spent() {
    let cluster = cluster(json!({}));
    let now = Circumstances { trust_bundle: String::new(), gateway_may_go: false };
    let desired = desired(&cluster, revision(&cluster), &now);
    assert_eq!(at(&desired.budgets[0], "spec/maxUnavailable"), 0);
    let owned = |object: Value| object["metadata"]["ownerReferences"][0]["controller"] == true;
    for set in &desired.stateful_sets {
        assert!(owned(at(set, "")));
    }
    assert!(owned(serde_json::to_value(&desired.gateways.config_map).unwrap()));
    assert!(owned(serde_json::to_value(&desired.services[2]).unwrap()));
}
