//! Nodes die and are drained, while people talk.

use std::time::{Duration, Instant};

use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;

use crate::{
    cluster::Chat,
    traffic::Traffic,
    world::{foreign, scenario},
};

/// A node is held for dead after 16 s on our clusters, and its pods leave 10 s later.
const NOTICED_WITHIN: Duration = Duration::from_secs(150);

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn the_node_with_a_redis_majority_dies_and_nothing_is_lost() {
    if foreign().is_some() {
        return println!("a dead node: only on a cluster of our own");
    }
    scenario("the node with the Redis majority dies", 900, async |world| {
        // The message service has the first node, so that another one can die.
        let first = json!({ "nodeSelector": { "kubernetes.io/hostname": "node1" } });
        let spec = json!({
            "messages": { "embedded": { "pod": first } },
            "gateways": { "drain": { "timeout": "20s" } },
        });
        let chat = Chat::ready(world, spec).await;
        let node = crowd_masters(&chat).await;
        let talk = Traffic::start(&chat, "talk", &["--duration=120s", "--rate=20", "--users=20"]);
        let talk = talk.await;
        let begun = Instant::now();
        world.cluster().kill_node(&node).unwrap();
        chat.until("Ready", "False", NOTICED_WITHIN).await;
        println!("    {node} is dead, noticed after {:.1} s", begun.elapsed().as_secs_f64());
        chat.until_ready().await;
        println!("    whole again after {:.1} s", begun.elapsed().as_secs_f64());
        for pod in chat.pods("redis").await {
            assert_ne!(node_of(&pod), node, "{}", pod.name_any());
        }
        world.cluster().start_node(&node).unwrap();
        talk.end(Duration::from_secs(300)).await;
        chat.until_ready().await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e-full"]
async fn a_drained_node_is_left_and_nothing_is_lost() {
    scenario("a node is drained", 600, async |world| {
        let spec = json!({ "gateways": { "drain": { "timeout": "20s", "ratePerSecond": 50 } } });
        let chat = Chat::ready(world, spec).await;
        // The message service's volume is on its node: that one would have to wait for it.
        let home = node_of(&chat.pods("messages").await[0]);
        let gateways = chat.pods("gateway").await;
        let node = gateways.iter().map(node_of).find(|node| *node != home).unwrap();
        let talk = Traffic::start(&chat, "talk", &["--duration=60s", "--rate=50", "--users=20"]);
        let talk = talk.await;
        let drain = ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"];
        let selector = "--pod-selector=app.kubernetes.io/name=chatcluster";
        let drained = world.kubectl(&[&drain[..], &[selector, "--timeout=180s"]].concat()).await;
        let back = world.kubectl(&["uncordon", &node]).await;
        drained.unwrap();
        back.unwrap();
        chat.until_ready().await;
        talk.end(Duration::from_secs(180)).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e-full"]
async fn the_node_with_the_messages_dies_and_comes_back_with_all_of_them() {
    if foreign().is_some() {
        return println!("a dead node: only on a cluster of our own");
    }
    scenario("the node with the messages dies and comes back", 900, async |world| {
        let chat = Chat::ready(world, json!({})).await;
        let node = node_of(&chat.pods("messages").await[0]);
        // It must not die itself, or nobody knows what was promised.
        let elsewhere = world.nodes().await.into_iter().find(|other| *other != node).unwrap();
        let arguments = ["--duration=30s", "--settle=400s", "--rate=20", "--users=20"];
        let talk = Traffic::start_on(&chat, "talk", &arguments, Some(&elsewhere)).await;
        world.cluster().kill_node(&node).unwrap();
        let told = chat.until_reason("Degraded", "NodeLost", NOTICED_WITHIN).await;
        assert!(told.contains(&node) && told.contains("bring the node back"), "{told}");
        let told = chat.until("MessagesReady", "False", NOTICED_WITHIN).await;
        assert!(told.message.contains("sends wait"), "{}", told.message);
        world.cluster().start_node(&node).unwrap();
        chat.until_ready().await;
        talk.end(Duration::from_secs(500)).await;
    })
    .await;
}

/// Makes as many Redis nodes as possible masters on one node of Kubernetes, and returns that: at least
/// two of the three.
async fn crowd_masters(chat: &Chat<'_>) -> String {
    let pods = chat.pods("redis").await;
    let on = |node: &str| pods.iter().filter(|pod| node_of(pod) == node).collect::<Vec<_>>();
    let node = ["node2", "node3"].into_iter().max_by_key(|node| on(node).len()).unwrap();
    for pod in on(node) {
        // A master says that it is one.
        let failover = r#"redis-cli -h "$POD_IP" cluster failover"#;
        let exec = ["exec", &pod.name_any(), "--", "sh", "-c", failover];
        println!("    {}: {}", pod.name_any(), chat.world.kubectl(&exec).await.unwrap().trim());
    }
    let mut masters = 0;
    wait_until("most masters are on one node", NOTICED_WITHIN, async || {
        masters = 0;
        for pod in on(node) {
            let role = r#"redis-cli -h "$POD_IP" role"#;
            let exec = ["exec", &pod.name_any(), "--", "sh", "-c", role];
            masters += usize::from(chat.world.kubectl(&exec).await.unwrap().starts_with("master"));
        }
        masters == on(node).len()
    })
    .await;
    assert!(masters >= 2, "{masters} masters on {node}: no majority");
    chat.until_ready().await;
    node.to_owned()
}

fn node_of(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default()
}
