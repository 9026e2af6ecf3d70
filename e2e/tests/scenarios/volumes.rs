//! What a pod wrote on a volume is there for the next one.

use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{SOON, scenario};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn a_new_pod_finds_what_an_earlier_one_wrote() {
    scenario("a new pod finds what an earlier one wrote", 60, async |world| {
        let claim = json!({
            "metadata": { "name": "data" },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "10Mi" } },
            },
        });
        world.create::<PersistentVolumeClaim>(claim).await;
        let with_volume = json!({
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }],
            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
            // Not root, as in the charts: the volume must let others write.
            "securityContext": { "runAsUser": 10001, "runAsNonRoot": true, "fsGroup": 10001 },
        });
        world.pod("writer", json!({}), with_volume.clone()).await;
        world.probe("writer", &["write", "/data/file", "written"]).await.unwrap();
        let pods = world.namespace.api::<Pod>();
        pods.delete("writer", &DeleteParams::default()).await.unwrap();
        wait_until("the writer is gone", SOON, async || {
            pods.get_opt("writer").await.unwrap().is_none()
        })
        .await;
        world.pod("reader", json!({}), with_volume).await;
        assert_eq!(world.probe("reader", &["read", "/data/file"]).await.unwrap(), "written");
    })
    .await;
}
