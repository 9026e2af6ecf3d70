//! What is installed is taken by the strictest namespace, with the defaults and with all there is.

use std::time::Duration;

use chatcluster_e2e::{ApiServer, Namespace};
use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use crate::world::{CHART, IMAGE, NAME, helm, install, kubectl};

/// Far more than the controllers need to make a pod.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn with_the_defaults() {
    let namespace = restricted("defaults").await;
    install(&namespace, &[]);
    until_pods(&namespace, 1).await;
    its_test_is_taken(&namespace, &[]);
    helm(&namespace, &["uninstall", NAME]).unwrap();
    until_pods(&namespace, 0).await;
}

#[tokio::test]
async fn with_another_value_for_each() {
    let namespace = restricted("changed").await;
    let changed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/changed.yaml");
    let watched = format!("--set=watchNamespaces={{{}}}", namespace.name());
    // Its account has to come from somewhere, and there is no Prometheus operator here.
    let possible = "--set=serviceAccount.create=true,serviceMonitor.enabled=false";
    let values = ["--values", changed, &watched, possible];
    install(&namespace, &values);
    until_pods(&namespace, 2).await;
    its_test_is_taken(&namespace, &values);
}

/// A namespace where pods may do least.
async fn restricted(purpose: &str) -> Namespace {
    let namespace = ApiServer::shared().namespace(purpose).await;
    let labels =
        ["enforce", "warn"].map(|how| format!("pod-security.kubernetes.io/{how}=restricted"));
    kubectl(&["label", "namespace", namespace.name(), &labels[0], &labels[1]]).unwrap();
    namespace
}

async fn until_pods(namespace: &Namespace, number: usize) {
    wait_until(&format!("there are {number} pods"), SOON, async || {
        let pods = namespace.api::<Pod>().list(&ListParams::default()).await.unwrap();
        pods.items.len() == number
    })
    .await;
}

/// The pod of `helm test` runs nowhere here; the server says whether it could.
fn its_test_is_taken(namespace: &Namespace, values: &[&str]) {
    let only = ["template", NAME, CHART, IMAGE, "--show-only=templates/tests/ready.yaml"];
    let pod = helm(namespace, &[&only[..], values].concat()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pod.yaml");
    std::fs::write(&file, pod).unwrap();
    kubectl(&["create", "--dry-run=server", "-f", file.to_str().unwrap()]).unwrap();
}
