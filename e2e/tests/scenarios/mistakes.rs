//! What people get wrong: the condition says what is wrong and what to do, and mending the spec or what
//! is missing is enough.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::{cluster::Chat, world::scenario};

const TOLD_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn each_mistake_is_told_and_mended_without_deleting_anything() {
    scenario("mistakes are told and mended", 900, async |world| {
        // A Secret that is not there.
        let own = json!({ "secretRef": { "name": "own", "key": "key" } });
        let chat = Chat::create(world, json!({ "auth": { "jwt": own } })).await;
        let told = chat.until_reason("Degraded", "SecretWrong", TOLD_WITHIN).await;
        assert!(told.contains("own does not exist: create it with key"), "{told}");
        let key = json!({ "metadata": { "name": "own" }, "stringData": { "key": "k".repeat(32) } });
        let secrets = world.namespace.api::<Secret>();
        secrets
            .create(&PostParams::default(), &serde_json::from_value(key).unwrap())
            .await
            .unwrap();
        chat.until_ready().await;

        // An image that nobody has: the gateways that run stay.
        chat.change(json!({ "image": "localhost/nobody:has-it" })).await;
        let told = chat.until_reason("Degraded", "ImageUnavailable", TOLD_WITHIN).await;
        assert!(told.contains("localhost/nobody:has-it"), "{told}");
        assert_eq!(chat.get().await.status.unwrap().gateways.ready, 2);
        chat.change(json!({ "image": null })).await;
        chat.change(json!({ "image": crate::images::image("chatcluster") })).await;
        chat.until_ready().await;

        // A quota that leaves no room.
        let quota = json!({
            "metadata": { "name": "full" }, "spec": { "hard": { "count/pods": "9" } },
        });
        world.create::<ResourceQuota>(quota).await;
        chat.change(json!({ "gateways": { "replicas": 5 } })).await;
        let told = chat.until_reason("Degraded", "PodsRefused", TOLD_WITHIN).await;
        assert!(told.contains("exceeded quota: full"), "{told}");
        let quotas = world.namespace.api::<ResourceQuota>();
        quotas.delete("full", &DeleteParams::default()).await.unwrap();
        chat.until_ready().await;

        // More than any node has.
        let pod = json!({ "resources": { "requests": { "cpu": 1000 } } });
        chat.change(json!({ "gateways": { "pod": pod } })).await;
        let told = chat.until_reason("Degraded", "Unschedulable", TOLD_WITHIN).await;
        assert!(told.contains("Insufficient cpu"), "{told}");
        assert_eq!(chat.get().await.status.unwrap().gateways.ready, 5);
        chat.change(json!({ "gateways": { "pod": { "resources": null } } })).await;
        chat.until_ready().await;
    })
    .await;
}
