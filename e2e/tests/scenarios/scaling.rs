//! More gateways and fewer, while people talk.

use std::time::Duration;

use serde_json::json;

use crate::{cluster::Chat, traffic::Traffic, world::scenario};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn four_gateways_and_back_to_two_under_traffic_lose_nothing() {
    scenario("kubectl scale to 4 and back to 2 under traffic", 600, async |world| {
        let drain = json!({ "timeout": "20s", "ratePerSecond": 50 });
        let chat = Chat::ready(world, json!({ "gateways": { "drain": drain } })).await;
        let first = chat.gateways().await;
        let talk =
            Traffic::start(&chat, "talk", &["--duration=60s", "--rate=50", "--users=20"]).await;

        world.kubectl(&["scale", "chatcluster/main", "--replicas=4"]).await.unwrap();
        chat.until_ready().await;
        assert_eq!(chat.gateways().await.len(), 4);
        world.kubectl(&["scale", "chatcluster/main", "--replicas=2"]).await.unwrap();
        chat.until_ready().await;
        // All clients were there before the new ones, which are therefore the emptiest.
        let mut left = chat.gateways().await;
        left.sort();
        let mut first = first;
        first.sort();
        assert_eq!(left, first, "the emptiest gateways went");
        talk.end(Duration::from_secs(180)).await;
        let status = chat.get().await.status.unwrap();
        assert_eq!((status.gateways.replicas, status.gateways.ready), (2, 2));
    })
    .await;
}
