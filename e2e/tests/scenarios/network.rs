//! Pods reach each other by name, from node to node, unless a policy forbids it.

use chatcluster_testkit::wait_until;
use k8s_openapi::api::{core::v1::Service, networking::v1::NetworkPolicy};
use serde_json::json;

use crate::world::{SOON, World, scenario};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn pods_find_each_other_by_name_from_node_to_node() {
    scenario("pods find each other by name, from node to node", 90, async |world| {
        serve(world).await;
        for node in world.nodes().await {
            let client = format!("client-{node}");
            world.pod(&client, json!({}), json!({ "nodeName": node })).await;
            assert_eq!(world.answer(&client, "server:8080").await, "server");
            let full = format!("server.{}.svc.cluster.local:8080", world.namespace.name());
            assert_eq!(world.answer(&client, &full).await, "server");
        }
        let unknown = world.probe("server", &["get", "nobody:8080"]).await;
        assert!(unknown.is_err(), "{unknown:?}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_network_policy_lets_in_whom_it_names() {
    scenario("a network policy lets in whom it names, and nobody else", 120, async |world| {
        serve(world).await;
        let nodes = world.nodes().await;
        // The server is on the first node: one of each beside it, one of each far from it.
        let (near, far) = (nodes.first().unwrap(), nodes.last().unwrap());
        for (place, node) in [("near", near), ("far", far)] {
            let here = json!({ "nodeName": node });
            world.pod(&format!("friend-{place}"), json!({ "role": "friend" }), here.clone()).await;
            world.pod(&format!("stranger-{place}"), json!({}), here).await;
            assert_eq!(world.answer(&format!("stranger-{place}"), "server:8080").await, "server");
        }
        let policy = json!({
            "metadata": { "name": "friends-only" },
            "spec": {
                "podSelector": { "matchLabels": { "app": "server" } },
                "policyTypes": ["Ingress"],
                "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "role": "friend" } } }] }],
            },
        });
        world.create::<NetworkPolicy>(policy).await;
        for place in ["near", "far"] {
            let stranger = format!("stranger-{place}");
            wait_until(&format!("{stranger} is kept out"), SOON, async || {
                world.probe(&stranger, &["get", "server:8080"]).await.is_err()
            })
            .await;
            assert_eq!(world.answer(&format!("friend-{place}"), "server:8080").await, "server");
            // What the policy does not select is as open as before.
            assert_eq!(world.probe(&stranger, &["get", "127.0.0.1:8080"]).await.unwrap(), stranger);
        }
    })
    .await;
}

/// A pod `server` on the first node, behind a service of that name.
async fn serve(world: &World) {
    let node = world.nodes().await.remove(0);
    world.pod("server", json!({ "app": "server" }), json!({ "nodeName": node })).await;
    let spec = json!({ "selector": { "app": "server" }, "ports": [{ "port": 8080 }] });
    world.create::<Service>(json!({ "metadata": { "name": "server" }, "spec": spec })).await;
}
