//! Devices that come, leave and come back.

use messages_core::repository::Repository;

use crate::{client::Client, world::World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_told_that_it_is_new_also_when_it_comes_back_after_it_was_removed() {
    let world = World::new().await;
    let gateway = world.gateway("one").await;
    let is_new = async || {
        let mut bob = Client::connect(gateway.client).await;
        bob.hello(&world.token("bob"), "phone").await;
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
