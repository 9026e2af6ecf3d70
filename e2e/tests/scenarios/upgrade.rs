//! A new version of the operator restarts nobody.

use kube::ResourceExt;
use serde_json::json;

use crate::{cluster::Chat, images::image, operator, world::scenario};
use std::time::Duration;

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_helm_upgrade_restarts_no_pod() {
    scenario("helm upgrade restarts no pod", 400, async |world| {
        let chat = Chat::ready(world, json!({})).await;
        let pods = async || {
            let mut all = Vec::new();
            for part in ["gateway", "redis", "messages"] {
                all.extend(chat.pods(part).await.iter().map(|pod| {
                    let restarts = pod.status.iter().flat_map(|status| &status.container_statuses);
                    let restarts: i32 = restarts.flatten().map(|one| one.restart_count).sum();
                    (pod.name_any(), pod.uid(), restarts)
                }));
            }
            all
        };
        let before = pods().await;
        // Another version: another image of gateways, as the new operator would bring.
        let newer = "newer.example/chatcluster:2";
        operator::helm_upgrade(world, &["podLabels.version=v2", &format!("operandImage={newer}")]);
        let told =
            chat.until_reason("UpdateAvailable", "NewerImage", Duration::from_secs(120)).await;
        assert!(told.contains(newer), "{told}");
        chat.until_ready().await;
        assert_eq!(pods().await, before);
        let templates = world.kubectl(&["get", "rs,sts", "-oyaml"]).await.unwrap();
        assert!(templates.contains(&image("chatcluster")) && !templates.contains(newer));
        operator::helm_upgrade(world, &[]);
        chat.until_reason("UpdateAvailable", "UpToDate", Duration::from_secs(120)).await;
    })
    .await;
}
