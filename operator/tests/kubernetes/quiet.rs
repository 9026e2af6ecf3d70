//! Where nothing changes, the operator changes nothing.

use std::time::Duration;

use chatcluster_testkit::wait_until;
use serde_json::json;

use crate::world::{SOON, World, server};

/// Several looks: at rest there is one every 10 s, and while gateways are missing one every second.
const LOOKS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconcile_that_has_nothing_to_do_makes_no_request_that_changes_anything() {
    let world = World::new("quiet").await;
    world.create("main", json!({})).await;
    let operator = world.operator(&[]);
    world.until("main", "Progressing", "TendingManager").await;
    let changes = || {
        let requests = server().requests_of(&world.user).into_iter();
        requests.filter(|one| one.is_mutating() && one.resource != "leases").collect::<Vec<_>>()
    };
    let mut before = changes();
    wait_until("the operator has come to rest", SOON, async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = changes();
        std::mem::replace(&mut before, now.clone()) == now
    })
    .await;
    assert!(before.len() > 20, "it has worked: {}", before.len());

    // Each is a reconcile from the first step to the last.
    for look in 0..LOOKS {
        let annotation = json!({ "metadata": { "annotations": { "look": look.to_string() } } });
        let patch = kube::api::Patch::Merge(annotation);
        world.clusters().patch("main", &Default::default(), &patch).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let after = changes();
    assert_eq!(after[before.len()..], [], "it changed something");
    operator.stop().await;
}
