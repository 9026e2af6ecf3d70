//! One operator works, the others stand by.

use chatcluster_operator::kubernetes::RunError;
use chatcluster_testkit::wait_until;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::timeout;

use crate::world::{SOON, World};

async fn holder(world: &World) -> Option<String> {
    let leases: Api<Lease> = world.namespace.api();
    leases.get_opt("chatcluster-operator").await.unwrap()?.spec?.holder_identity
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_stops_the_next_works_at_once_and_when_one_is_killed_soon() {
    let world = World::new("leaders").await;
    let one = world.operator(&["--name=one"]);
    wait_until("one works", SOON, async || holder(&world).await.as_deref() == Some("one")).await;
    let two = world.operator(&["--name=two"]);
    let three = world.operator(&["--name=three"]);
    one.stop().await;
    wait_until("another works", SOON, async || {
        matches!(holder(&world).await.as_deref(), Some("two" | "three"))
    })
    .await;
    let (working, waiting, next) = match holder(&world).await.as_deref() {
        Some("two") => (two, three, "three"),
        _ => (three, two, "two"),
    };
    working.kill().await;
    wait_until("the last one works", SOON, async || holder(&world).await.as_deref() == Some(next))
        .await;
    world.create("main", json!({})).await;
    world.until("main", "Progressing", "TendingManager").await;
    waiting.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_loses_its_lease_ends() {
    let world = World::new("robbed").await;
    let one = world.operator(&["--name=one"]);
    // Its name in the Lease is not enough: it works only when it has read that back.
    world.create("main", json!({})).await;
    world.until("main", "Progressing", "TendingManager").await;
    let leases: Api<Lease> = world.namespace.api();
    let robbed = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "spec": { "holderIdentity": "robber", "leaseDurationSeconds": 3600 },
    });
    let how = PatchParams::apply("robber").force();
    leases.patch("chatcluster-operator", &how, &Patch::Apply(robbed)).await.unwrap();
    let ended = timeout(SOON, one.task).await.expect("it ends").unwrap();
    assert!(matches!(ended, Err(RunError::Leader(_))), "{ended:?}");
}
