//! Things that end without a word, while people talk.

use std::time::Duration;

use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use crate::{
    cluster::{Chat, READY_WITHIN},
    operator,
    traffic::Traffic,
    world::scenario,
};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_gateway_a_redis_master_and_the_operator_die_and_nothing_is_lost() {
    scenario("a gateway, a Redis master and the operator are killed", 600, async |world| {
        let chat = Chat::ready(world, json!({})).await;
        let talk =
            Traffic::start(&chat, "talk", &["--duration=60s", "--rate=50", "--users=20"]).await;

        let gateway = chat.gateways().await.remove(0);
        chat.kill(&gateway).await;
        wait_until("another gateway is there", READY_WITHIN, async || {
            let gateways = chat.gateways().await;
            gateways.len() == 2 && !gateways.contains(&gateway)
        })
        .await;
        chat.until_ready().await;

        // The first of each shard became its master when the cluster was formed.
        chat.kill("main-redis-0-0").await;
        chat.until_ready().await;

        let operators: Api<Pod> = Api::namespaced(world.client.clone(), operator::NAMESPACE);
        let labels = ListParams::default().labels("app.kubernetes.io/name=chatcluster-operator");
        for pod in operators.list(&labels).await.unwrap() {
            let at_once = DeleteParams::default().grace_period(0);
            operators.delete(&pod.name_any(), &at_once).await.unwrap();
        }
        chat.change(json!({ "gateways": { "replicas": 3 } })).await;
        chat.until_ready().await;
        assert_eq!(chat.gateways().await.len(), 3);
        talk.end(Duration::from_secs(240)).await;
    })
    .await;
}
