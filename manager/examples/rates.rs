//! How many claims, touches and routes a second one gateway gets out of a Redis Cluster of three
//! masters on this machine: `cargo run --release -p chatcluster-manager --example rates`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people to read")]

use std::{
    future::Future,
    time::{Duration, Instant},
};

use chatcluster_manager::{Claim, Incarnation, Lease, Manager, RedisManager, RedisSettings};
use chatcluster_protocol::id::{DeviceId, UserId};
use chatcluster_testkit::redis::RedisCluster;
use futures_util::{StreamExt, stream};

const USERS: usize = 20_000;
/// Calls under way at the same time, as in a storm of reconnects.
const AT_ONCE: usize = 200;

#[tokio::main]
async fn main() {
    let cluster = RedisCluster::start(3, 0).await;
    let manager = RedisManager::new(RedisSettings::new(cluster.addresses())).unwrap();
    let incarnation = Incarnation(uuid::Uuid::new_v4());
    let lease = Lease { incarnation, gateway: "gw".into(), host: "gw.example".into(), port: 8444 };
    manager.renew(&lease, Duration::from_secs(600)).await.unwrap();
    let users: Vec<_> = (0..USERS).map(|n| UserId::new(format!("user-{n}")).unwrap()).collect();
    let device = DeviceId::new("phone").unwrap();
    let now = 1_732_000_000_000;

    measure("claims", 1, users.iter(), async |user: &UserId| {
        let (user, device) = (user.clone(), device.clone());
        let claim = Claim { user, device, connection: 1, last_epoch: None, now };
        manager.claim(&lease, &claim).await.unwrap();
    })
    .await;
    measure("touches", 1, users.iter(), async |user: &UserId| {
        manager.touch(user, &device, now).await.unwrap();
    })
    .await;
    measure("routes, one user a call", 1, users.iter(), async |user: &UserId| {
        assert_eq!(manager.routes(std::slice::from_ref(user)).await.unwrap()[0].len(), 1);
    })
    .await;
    measure("routes, 100 users a call", 100, users.chunks(100), async |users: &[UserId]| {
        assert_eq!(manager.routes(users).await.unwrap().len(), users.len());
    })
    .await;
    let start = Instant::now();
    for user in &users[..1000] {
        manager.touch(user, &device, now).await.unwrap();
    }
    println!("one touch after the other: {:?} each", start.elapsed() / 1000);
}

async fn measure<T, F: Future<Output = ()>>(
    what: &str,
    each: usize,
    work: impl Iterator<Item = T>,
    call: impl Fn(T) -> F,
) {
    let start = Instant::now();
    let calls = stream::iter(work).map(call).buffer_unordered(AT_ONCE / each.min(20)).count().await;
    let rate = (calls * each) as f64 / start.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} a second");
}
