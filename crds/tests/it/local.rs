//! The rules where no API server checks them: in local mode.

use chatcluster_crds::{ChatClusterSpec, validate};
use serde_json::{Value, json};

use crate::wrong;

fn errors(name: &str, spec: Value) -> Vec<String> {
    let object = json!({
        "apiVersion": "chatcluster.io/v1alpha1",
        "kind": "ChatCluster",
        "metadata": { "name": name },
        "spec": spec,
    });
    validate(&object).iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_spec_is_good_and_says_its_defaults() {
    assert_eq!(errors("main", json!({})), Vec::<String>::new());
    let spec = serde_json::to_value(ChatClusterSpec::default()).unwrap();
    assert_eq!(
        spec,
        json!({
            "gateways": {
                "replicas": 2,
                "connectionsPerPod": 10_000,
                "drain": { "ratePerSecond": 1000, "timeout": "10m" },
                "limits": {
                    "sendsPerSecond": 20,
                    "sendBurst": 200,
                    "requestsPerSecond": 20,
                    "requestBurst": 200,
                    "connectionsPerSecondPerAddress": 0,
                    "connectionBurst": 200,
                },
                "tls": { "type": "SelfSigned" },
                "service": { "type": "ClusterIP" },
                "pod": {},
            },
            "manager": {
                "type": "Managed",
                "managed": { "shards": 3, "replicasPerShard": 1, "pod": {} },
            },
            "messages": {
                "engine": "Embedded",
                "embedded": { "storage": { "size": "10Gi", "whenDeleted": "Retain" }, "pod": {} },
                "devices": { "unusedAfter": "1440h" },
            },
            "auth": { "jwt": { "audience": "chatcluster", "algorithm": "HS256" } },
            "paused": false,
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
        errors("main", wrong),
        [
            "spec.gateways.replicas: 0 is less than the minimum of 1",
            "spec.gateways.connectionsPerPod: 2000000 is greater than the maximum of 1000000",
            "spec.gateways.drain.ratePerSecond: 0 is less than the minimum of 1",
            "spec.manager.managed.shards: 2 is less than the minimum of 3",
            "spec.manager.managed.replicasPerShard: 6 is greater than the maximum of 5",
            "spec.auth.jwt.issuer: \"\" is shorter than 1 character",
            "spec.auth.jwt.audience: \"\" is shorter than 1 character",
            "spec.gateways.drain.timeout: must be hours, minutes and seconds as in 1h30m, at most 1h \
             in all",
        ]
    );
}

#[test]
fn names_are_made_for_objects_and_certificates() {
    for good in ["main", "a", "chat-2", &"a".repeat(40)] {
        assert_eq!(errors(good, json!({})), Vec::<String>::new());
    }
    for wrong in ["", "-a", "a-", "Main", "a.b", "a/b", &"a".repeat(41)] {
        assert_eq!(errors(wrong, json!({})).len(), 1, "{wrong:?}");
    }
}

#[test]
fn what_the_api_server_refuses_is_refused_here() {
    for wrong in wrong::values() {
        let refused = !errors(wrong.name, wrong.spec.clone()).is_empty();
        assert!(refused, "{}: {}", wrong.name, wrong.spec);
    }
}
