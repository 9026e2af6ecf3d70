//! Who is online, across gateways.

use std::time::{Duration, Instant};

use chatcluster_config::ManagerHome;
use chatcluster_testkit::redis::RedisCluster;
use serde_json::{Value, json};

use crate::{
    client::Client,
    programs::Program,
    world::{World, now},
};

/// Bob has written to alice, and she has it: she may see him.
async fn writes(bob: &mut Client, alice: &mut Client) {
    bob.send("r-1", "alice", "hello, alice").await;
    bob.until("sent").await;
    let message = alice.until("message").await;
    alice.ack(&message).await;
    // He is told that she has it, so it is stored.
    let receipt = bob.until("receipt").await;
    bob.ack_receipt(&receipt).await;
}

/// What is seen of bob by whoever begins to watch.
async fn watch(client: &mut Client) -> Value {
    client.request(json!({"type": "presence", "users": ["bob"]})).await;
    seen(client).await
}

/// The next that is told of bob.
async fn seen(client: &mut Client) -> Value {
    let presence = client.until("presence").await;
    assert_eq!(presence["users"].as_array().unwrap().len(), 1, "{presence}");
    presence["users"][0].clone()
}

fn online() -> Value {
    json!({"user": "bob", "online": true})
}

fn unknown() -> Value {
    json!({"user": "bob", "online": false})
}

/// He has left just now.
fn assert_left(presence: &Value) {
    assert_eq!(presence["online"], false, "{presence}");
    let ago = now().abs_diff(presence["last_seen"].as_u64().unwrap());
    assert!(ago < 60_000, "{presence}, {ago} ms ago");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_user_has_written_to_sees_them_come_and_go_and_nobody_else_does() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut mallory = world.login(one.client, "mallory", "phone").await;
    let mut bob = world.login(two.client, "bob", "phone").await;
    mallory.send("r-1", "bob", "hello").await;
    let message = bob.until("message").await;
    bob.ack(&message).await;
    writes(&mut bob, &mut alice).await;
    assert_eq!(watch(&mut alice).await, online());
    assert_eq!(watch(&mut mallory).await, unknown(), "he has not written to her");
    drop(bob);
    assert_left(&seen(&mut alice).await);
    // On whichever gateway he comes back.
    let mut bob = world.login(one.client, "bob", "phone").await;
    assert_eq!(seen(&mut alice).await, online());

    bob.request(json!({"type": "privacy", "presence_to": "everybody"})).await;
    assert_eq!(bob.until("privacy").await["presence_to"], "everybody");
    let mut stranger = world.login(two.client, "stranger", "phone").await;
    assert_eq!(watch(&mut stranger).await, online());
    bob.request(json!({"type": "privacy", "presence_to": "nobody"})).await;
    bob.until("privacy").await;
    bob.request(json!({"type": "privacy"})).await;
    assert_eq!(bob.until("privacy").await["presence_to"], "nobody");
    let mut carol = world.login(two.client, "carol", "phone").await;
    assert_eq!(watch(&mut carol).await, unknown());
    mallory.quiet().await;
    assert!(one.figure("presence_lookups_total").await >= 2.0);
    assert!(one.figure("presence_total{kind=\"told\"}").await >= 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_killed_gateway_turn_offline_with_its_lease() {
    let world = World::new().await;
    let redis = RedisCluster::start(3, 0).await;
    let home = || ManagerHome::Redis { nodes: redis.addresses() };
    let mut one = Program::gateway(&world, "one", home()).await;
    let two = Program::gateway(&world, "two", home()).await;
    let mut bob = world.login(one.client, "bob", "phone").await;
    let mut alice = world.login(two.client, "alice", "phone").await;
    writes(&mut bob, &mut alice).await;
    assert_eq!(watch(&mut alice).await, online());
    one.process.kill();
    let killed = Instant::now();
    assert_left(&seen(&mut alice).await);
    // A lease of 15 s that is renewed every 5 s, and a look every 5 s.
    let after = killed.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(28)).contains(&after), "after {after:?}");
    // He comes back elsewhere; then the manager goes, and what was known stays.
    let bob = world.login(two.client, "bob", "phone").await;
    assert_eq!(seen(&mut alice).await, online());
    drop(redis);
    drop(bob);
    for _ in 0..7 {
        alice.request(json!({"type": "ping"})).await;
        alice.expect("pong").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut carol = world.login(two.client, "carol", "phone").await;
    assert_eq!(watch(&mut carol).await, unknown());
}
