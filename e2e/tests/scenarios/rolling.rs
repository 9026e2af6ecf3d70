//! New versions of gateways and message service, while people talk.

use std::time::Duration;

use chatcluster_testkit::wait_until;
use serde_json::json;

use crate::{
    cluster::{Chat, READY_WITHIN},
    traffic::Traffic,
    world::scenario,
};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn new_gateways_and_a_new_message_service_under_traffic_lose_nothing() {
    scenario("a rolling update under traffic", 600, async |world| {
        let drain = json!({ "timeout": "20s", "ratePerSecond": 50 });
        let chat = Chat::ready(world, json!({ "gateways": { "drain": drain } })).await;
        let before = chat.revisions().await;
        let service = uid(&chat, "messages").await;
        let talk =
            Traffic::start(&chat, "talk", &["--duration=60s", "--rate=50", "--users=20"]).await;

        // What a new image would do, too: another template of the pods.
        let pod = json!({ "annotations": { "chatcluster.io/test": "another revision" } });
        chat.change(json!({
            "gateways": { "pod": pod },
            "messages": { "embedded": { "pod": pod } },
        }))
        .await;
        chat.until_reason("Progressing", "RollingOut", Duration::from_secs(60)).await;
        // The gateways first, the message service after them.
        wait_until("the message service is another one", READY_WITHIN, async || {
            let pods = chat.pods("messages").await;
            pods.iter().any(|pod| pod.metadata.uid != service)
        })
        .await;
        chat.until_ready().await;
        let after = chat.revisions().await;
        assert_eq!(after.len(), 1, "{after:?}");
        assert_ne!(before, after);
        let report = talk.end(Duration::from_secs(180)).await;
        println!(
            "    while the message service restarted, sends waited {} ms",
            report.longest_gap_ms
        );
        assert!(report.reconnects >= 20, "every client has moved");
    })
    .await;
}

async fn uid(chat: &Chat<'_>, part: &str) -> Option<String> {
    chat.pods(part).await.remove(0).metadata.uid
}
