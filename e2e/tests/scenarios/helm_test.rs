//! The chart's own test.

use std::time::Duration;

use chatcluster_e2e::Helm;
use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};

use crate::{
    operator::{self, NAME, NAMESPACE},
    world::scenario,
};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn helm_test_finds_the_operator_ready_and_leaves_nothing() {
    scenario("helm test", 120, async |world| {
        operator::install(world);
        let helm = Helm::on(world.kubeconfig()).unwrap();
        let said = helm.run(&["test", NAME, "--namespace", NAMESPACE, "--timeout=60s"]).unwrap();
        assert!(said.contains("Succeeded"), "{said}");
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), NAMESPACE);
        let its = ListParams::default().labels("app.kubernetes.io/component=test");
        wait_until("its pod is gone", Duration::from_secs(30), async || {
            pods.list(&its).await.unwrap().items.is_empty()
        })
        .await;
    })
    .await;
}
