//! What a spec may say.
#![allow(clippy::unwrap_used)] // in the helpers too

use chatcluster_crds::{ChatCluster, ChatClusterSpec, validate_name};
use kube::CustomResourceExt;
use serde_json::{Value, json};

fn errors(spec: Value) -> Vec<String> {
    let spec: ChatClusterSpec = serde_json::from_value(spec).unwrap();
    spec.validate().iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_spec_is_good_and_says_its_defaults() {
    assert_eq!(errors(json!({})), Vec::<String>::new());
    let spec = serde_json::to_value(ChatClusterSpec::default()).unwrap();
    assert_eq!(
        spec,
        json!({
            "gateways": {
                "replicas": 2,
                "connectionsPerPod": 10_000,
                "drain": { "ratePerSecond": 1000, "timeout": "10m" },
            },
            "manager": { "type": "Managed", "managed": { "shards": 3, "replicasPerShard": 1 } },
            "messages": { "engine": "Embedded" },
            "auth": { "jwt": { "audience": "chatcluster" } },
        })
    );
}

#[test]
fn every_wrong_value_is_named() {
    let wrong = json!({
        "gateways": {
            "replicas": 0,
            "connectionsPerPod": 2_000_000,
            "drain": { "ratePerSecond": 0, "timeout": "61m" },
        },
        "manager": { "managed": { "shards": 2, "replicasPerShard": 6 } },
        "auth": { "jwt": { "issuer": "", "audience": "" } },
    });
    assert_eq!(
        errors(wrong),
        [
            "spec.gateways.replicas: 0 is not between 1 and 1000",
            "spec.gateways.connectionsPerPod: 2000000 is not between 1 and 1000000",
            "spec.gateways.drain.ratePerSecond: 0 is not between 1 and 100000",
            "spec.gateways.drain.timeout: 1h1m is more than 1h",
            "spec.manager.managed.shards: 2 is not between 3 and 100",
            "spec.manager.managed.replicasPerShard: 6 is not between 0 and 5",
            "spec.auth.jwt.issuer: is empty; leave the field out for the default",
            "spec.auth.jwt.audience: is empty; leave the field out for the default",
        ]
    );
}

/// The API server and local mode agree on each range.
#[test]
fn the_schema_has_the_same_ranges() {
    let crd = serde_json::to_value(ChatCluster::crd()).unwrap();
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    for field in [
        "gateways.replicas",
        "gateways.connectionsPerPod",
        "gateways.drain.ratePerSecond",
        "manager.managed.shards",
        "manager.managed.replicasPerShard",
    ] {
        let path = field.replace('.', "/properties/");
        let schema = spec.pointer(&format!("/properties/{path}")).unwrap();
        let bound = |name: &str| schema[name].as_f64().unwrap() as i64;
        for (value, good) in [
            (bound("minimum"), true),
            (bound("maximum"), true),
            (bound("minimum") - 1, false),
            (bound("maximum") + 1, false),
        ] {
            if value < 0 {
                continue; // the type refuses it before any rule
            }
            let nested = field.rsplit('.').fold(json!(value), |inner, step| json!({ step: inner }));
            assert_eq!(errors(nested).is_empty(), good, "{field}: {value}");
        }
    }
}

#[test]
fn names_are_made_for_objects_and_certificates() {
    for good in ["main", "a", "chat-2"] {
        assert_eq!(validate_name(good), None);
    }
    for wrong in ["", "-a", "a-", "Main", "a.b", "a/b", &"a".repeat(41)] {
        assert!(validate_name(wrong).is_some(), "{wrong:?}");
    }
}
