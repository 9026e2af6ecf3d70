//! Two ChatClusters do not see or reach each other.

use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;

use crate::{
    cluster::Chat,
    traffic::Traffic,
    world::{SOON, World, scenario},
};
use std::time::Duration;

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn nobody_reaches_what_is_not_theirs() {
    scenario("two ChatClusters in two namespaces", 600, async |world| {
        let other = World::new().await;
        let (one, two) =
            tokio::join!(Chat::ready(world, json!({})), Chat::ready(&other, json!({})));

        let address = async |chat: &Chat<'_>, part: &str| {
            let pod = chat.pods(part).await.remove(0);
            pod.status.and_then(|status| status.pod_ip).unwrap()
        };
        let gateway = address(&two, "gateway").await;
        let messages = address(&two, "messages").await;
        let redis = address(&two, "redis").await;
        // A stranger in the other namespace, and one right beside.
        for here in [world, &other] {
            here.pod("stranger", json!({}), json!({})).await;
            wait_until("what is open to all is reached", SOON, async || {
                here.probe("stranger", &["connect", &format!("{gateway}:8443")]).await.is_ok()
            })
            .await;
            for (what, address) in [
                ("the peers' port", format!("{gateway}:8444")),
                ("Redis", format!("{redis}:6379")),
                ("the Redis bus", format!("{redis}:16379")),
                ("gRPC", format!("{messages}:7443")),
            ] {
                let reached = here.probe("stranger", &["connect", &address]).await;
                assert!(reached.is_err(), "{what} is reached from {}", here.namespace.name());
            }
        }

        // The same user in both is two people.
        let one_talks = Traffic::start(&one, "talk", &["--count=200", "--rate=100"]).await;
        let two_talks = Traffic::start(&two, "talk", &["--count=200", "--rate=100"]).await;
        one_talks.end(Duration::from_secs(90)).await;
        two_talks.end(Duration::from_secs(90)).await;

        // Deleting one touches nothing of the other.
        let before = uids(&two).await;
        one.delete().await;
        for part in ["gateway", "redis", "messages"] {
            one.until_pods(part, 0, Duration::from_secs(120)).await;
        }
        assert_eq!(uids(&two).await, before);
        two.until_ready().await;
    })
    .await;
}

async fn uids(chat: &Chat<'_>) -> Vec<String> {
    let mut uids = Vec::new();
    for part in ["gateway", "redis", "messages"] {
        let pods: Vec<Pod> = chat.pods(part).await;
        uids.extend(pods.iter().filter_map(ResourceExt::uid));
    }
    uids.sort();
    uids
}
