//! The first minutes of somebody who installs ChatCluster.

use serde_json::json;

use crate::{
    cluster::{Chat, NAME},
    traffic::Traffic,
    world::scenario,
};
use std::time::{Duration, Instant};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn an_empty_spec_becomes_ready_and_a_thousand_messages_arrive() {
    scenario("helm install, an empty spec, 1,000 messages", 400, async |world| {
        // Nothing of it may need more than a careful cluster gives.
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        world.kubectl(&["label", "namespace", world.namespace.name(), restricted]).await.unwrap();
        let begun = Instant::now();
        let chat = Chat::create(world, json!({})).await;
        let installed = begun.elapsed();
        chat.until_ready().await;
        println!(
            "    installed in {:.1} s, ready {:.1} s later (goal 90 s)",
            installed.as_secs_f64(),
            (begun.elapsed() - installed).as_secs_f64()
        );

        let told = world.kubectl(&["get", "chatclusters"]).await.unwrap();
        println!("{}", told.trim_end());
        assert!(told.contains("True") && told.contains("Ready"), "{told}");
        let nodes: Vec<_> = chat.pods("gateway").await.iter().map(node_of).collect();
        assert_eq!(nodes.len(), 2);
        assert_ne!(nodes[0], nodes[1], "the gateways are on different nodes");

        let talk = Traffic::start(&chat, "talk", &["--count=1000", "--rate=200", "--users=10"]);
        let report = talk.await.end(Duration::from_secs(90)).await;
        assert_eq!(report.acknowledged, 1000);

        chat.delete().await;
        for part in ["gateway", "redis", "messages"] {
            chat.until_pods(part, 0, Duration::from_secs(120)).await;
        }
        let left =
            world.kubectl(&["get", "pvc,secrets,services,configmaps", "-oname"]).await.unwrap();
        let claim = format!("persistentvolumeclaim/data-{NAME}-messages-0");
        assert!(left.contains(&claim), "the messages stay: {left}");
        assert!(!left.contains(&format!("/{NAME}-")), "nothing else stays: {left}");
    })
    .await;
}

fn node_of(pod: &k8s_openapi::api::core::v1::Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default()
}
