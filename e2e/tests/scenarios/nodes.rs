//! Nodes come, go and return.

use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use serde_json::json;

use crate::world::{SOON, World, foreign, scenario};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn all_nodes_are_ready() {
    scenario("all nodes are ready", 30, async |world| {
        if foreign().is_none() {
            // One that has just returned loses its taint some moments after it is ready.
            wait_until("pods may run on all nodes", SOON, async || {
                world.nodes().await == ["node1", "node2", "node3"]
            })
            .await;
        }
        for node in world.nodes().await {
            assert!(is_ready(world, &node).await, "{node}");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_killed_node_is_not_ready_and_returns() {
    if foreign().is_some() {
        return println!("a killed node: only on a cluster of our own");
    }
    scenario("a killed node is not ready, and returns", 120, async |world| {
        world.cluster().kill_node("node3").unwrap();
        wait_until("node3 is not ready", SOON, async || !is_ready(world, "node3").await).await;
        world.cluster().start_node("node3").unwrap();
        wait_until("node3 is ready", SOON, async || is_ready(world, "node3").await).await;
        let here = json!({ "nodeName": "node3" });
        world.pod("back", json!({}), here).await;
    })
    .await;
}

async fn is_ready(world: &World, node: &str) -> bool {
    let node = Api::<Node>::all(world.client.clone()).get(node).await.unwrap();
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
}
