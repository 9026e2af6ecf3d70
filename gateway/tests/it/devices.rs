//! Devices that come, leave and come back.

use std::time::{Duration, Instant};

use messages_core::repository::Repository;
use serde_json::json;

use crate::{
    client::Client,
    world::{SECRET, World, now, signed},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_told_that_it_is_new_also_when_it_comes_back_after_it_was_removed() {
    let world = World::new().await;
    let gateway = world.gateway("one").await;
    // Removing the device revokes all that was issued before.
    let now = now() / 1000;
    let token = signed(&json!({"sub": "bob", "exp": now + 600, "iat": now + 60}), SECRET);
    let is_new = async || {
        let mut bob = Client::connect(gateway.client).await;
        bob.hello(&token, "phone").await;
        let new = bob.expect("welcome").await["new_device"].as_bool().unwrap();
        bob.until("caught_up").await;
        new
    };
    assert!(is_new().await);
    assert!(!is_new().await);
    let (user, device) = ("bob".parse().unwrap(), "phone".parse().unwrap());
    assert_eq!(world.repository().remove_device(user, device).await, Ok(true));
    assert!(is_new().await);
    assert!(!is_new().await);
}

/// One session by each gateway, and one by a token that is younger than the revocation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_end_within_two_seconds_when_their_tokens_are_revoked() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let issued = |ago: i64| {
        let now = now() as i64 / 1000;
        signed(&json!({"sub": "bob", "exp": now + 600, "iat": now - ago}), SECRET)
    };
    let open = async |at, token: String, device: &str| {
        let mut client = Client::connect(at).await;
        client.hello(&token, device).await;
        client.until("caught_up").await;
        client
    };
    let mut phone = open(one.client, issued(60), "phone").await;
    let mut laptop = open(two.client, issued(60), "laptop").await;
    let mut young = open(two.client, issued(-60), "tablet").await;
    let mut alice = world.login(two.client, "alice", "phone").await;
    let revoked = Instant::now();
    world.repository().revoke("bob".parse().unwrap(), None, now()).await.unwrap();
    for client in [&mut phone, &mut laptop] {
        assert_eq!(client.expect("error").await["code"], "revoked");
        assert_eq!(client.closed().await, Some(4206));
    }
    // Each gateway looks every second; the rest is a slow machine's.
    assert!(revoked.elapsed() < Duration::from_secs(10), "{:?}", revoked.elapsed());
    young.quiet().await;
    alice.quiet().await;
    let mut again = Client::connect(one.client).await;
    again.hello(&issued(60), "phone").await;
    assert_eq!(again.expect("error").await["code"], "revoked");
    assert_eq!(again.closed().await, Some(4206));
}
