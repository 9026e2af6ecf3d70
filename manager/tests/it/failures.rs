//! What happens to a Redis Cluster, and how the manager in it comes through.

use std::time::{Duration, Instant};

use chatcluster_manager::{
    Manager, ManagerError, RedisManager, RedisSettings, Renewal, Touched, slot,
};
use chatcluster_testkit::{
    free_port,
    redis::{RedisCluster, RedisNode},
    wait_for, wait_until,
};

use crate::fixtures::{Home, LONG, Redis, claim, device, lease, route, user};

/// The deadline of a call, and what a busy machine adds to it.
const CALL: Duration = Duration::from_secs(2 + 2);

/// A user of the shard of this master, named after `prefix`.
async fn somebody_at(cluster: &RedisCluster, master: usize, asked: usize, prefix: &str) -> String {
    for n in 0.. {
        let name = format!("{prefix}-{n}");
        if cluster.master_of(slot(&user(&name)), asked).await == Some(master) {
            return name;
        }
    }
    unreachable!("every master has slots")
}

#[tokio::test]
async fn a_killed_master_is_replaced_and_calls_work_again_without_a_restart() {
    let mut home = Redis::start(3, 1).await;
    let name = somebody_at(&home.cluster, 0, 0, "ann").await;
    let elsewhere = somebody_at(&home.cluster, 1, 0, "bob").await;
    let a = lease("a");
    home.manager().renew(&a, LONG).await.unwrap();
    home.manager().claim(&a, &claim(&name, "phone", 1)).await.unwrap();
    let before = home.manager().shards().await.unwrap();
    home.cluster.node(0).kill();

    // Users of other shards are served meanwhile.
    wait_for("the other shards answer", CALL, async || {
        home.manager().claim(&a, &claim(&elsewhere, "phone", 2)).await.ok()
    })
    .await;
    let claimed = wait_for("claims work again", RedisCluster::TAKE_OVER, async || {
        home.manager().claim(&a, &claim(&name, "phone", 3)).await.ok()
    })
    .await;
    // Its lease may have been on that shard, and not yet on the replica: the next renewal mends it.
    wait_for("the lease is renewed", CALL, async || home.manager().renew(&a, LONG).await.ok())
        .await;
    let routes = wait_for("routes are read again", CALL, async || {
        home.manager().routes(&[user(&name)]).await.ok()
    })
    .await;
    assert_eq!(routes, [vec![(device("phone"), route(&a, 3, claimed.epoch))]]);
    // The gateway learns that this shard, and no other, may have lost claims.
    wait_until("the master has changed", RedisCluster::TAKE_OVER, async || {
        let Ok(now) = home.manager().shards().await else { return false };
        let (lost, other) = (slot(&user(&name)), slot(&user(&elsewhere)));
        now.master_of(other) == before.master_of(other)
            && now.master_of(lost).is_some_and(|name| Some(name) != before.master_of(lost))
    })
    .await;
}

#[tokio::test]
async fn a_forced_take_over_goes_unnoticed() {
    let mut home = Redis::start(3, 1).await;
    let a = lease("a");
    home.manager().renew(&a, LONG).await.unwrap();
    let claimed = home.manager().claim(&a, &claim("cyd", "phone", 1)).await.unwrap();
    let master = home.cluster.master_of(slot(&user("cyd")), 0).await.unwrap();
    home.cluster.in_sync(master, master + 3).await;
    home.cluster.take_over(master + 3).await;
    let touched = wait_for("a call is answered", CALL, async || {
        home.manager().touch(&user("cyd"), &device("phone"), claimed.epoch).await.ok()
    });
    assert_eq!(touched.await, Touched::Held);
}

#[tokio::test]
async fn a_frozen_node_holds_up_its_own_users_only_and_nobody_longer_than_the_deadline() {
    let mut home = Redis::start(3, 0).await;
    let frozen = somebody_at(&home.cluster, 2, 0, "dan").await;
    let served = somebody_at(&home.cluster, 0, 0, "eve").await;
    let a = lease("a");
    home.manager().claim(&a, &claim(&served, "phone", 1)).await.unwrap();
    home.manager().claim(&a, &claim(&frozen, "phone", 2)).await.unwrap();
    home.cluster.node(2).pause();

    let start = Instant::now();
    let refused = home.manager().claim(&a, &claim(&frozen, "phone", 3)).await.unwrap_err();
    assert!(start.elapsed() < CALL, "took {:?}: {refused}", start.elapsed());
    assert_eq!(refused.operation, "claiming a route");
    wait_for("the others are served", 3 * CALL, async || {
        home.manager().claim(&a, &claim(&served, "phone", 4)).await.ok()
    })
    .await;
    home.cluster.node(2).resume();
    wait_for("the thawed node is used again", 3 * CALL, async || {
        home.manager().claim(&a, &claim(&frozen, "phone", 5)).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_gateway_starts_while_the_cluster_is_away() {
    let port = free_port();
    let settings = RedisSettings::new(vec![format!("127.0.0.1:{port}")]);
    let nobody = RedisManager::new(settings).unwrap();
    let start = Instant::now();
    let ManagerError { operation, .. } = nobody.leases().await.unwrap_err();
    assert_eq!(operation, "listing leases");
    assert!(start.elapsed() < CALL);

    // The nodes are there before the cluster is: no slot has an owner yet.
    let node = RedisNode::start().await;
    let manager = RedisManager::new(RedisSettings::new(vec![node.address()])).unwrap();
    let a = lease("a");
    manager.renew(&a, LONG).await.unwrap_err();
    node.command::<()>("CLUSTER ADDSLOTSRANGE 0 16383").await;
    let renewal =
        wait_for("the new cluster is used", 5 * CALL, async || manager.renew(&a, LONG).await.ok());
    assert_eq!(renewal.await, Renewal::Created);
}

#[tokio::test]
async fn nodes_that_forgot_the_scripts_learn_them_again() {
    let home = Redis::start(2, 0).await;
    let a = lease("a");
    home.manager().renew(&a, LONG).await.unwrap();
    for n in 0..20 {
        home.manager().claim(&a, &claim(&format!("fay-{n}"), "phone", 1)).await.unwrap();
    }
    for node in home.cluster.nodes() {
        node.command::<()>("SCRIPT FLUSH").await;
    }
    for n in 0..20 {
        let name = format!("fay-{n}");
        let again = home.manager().claim(&a, &claim(&name, "phone", 2)).await.unwrap();
        assert!(again.previous.is_some());
    }
}

#[tokio::test]
async fn a_cluster_that_lost_everything_tells_so() {
    let mut home = Redis::start(1, 0).await;
    let a = lease("a");
    home.manager().renew(&a, LONG).await.unwrap();
    let claimed = home.manager().claim(&a, &claim("gus", "phone", 1)).await.unwrap();
    let before = home.manager().shards().await.unwrap();
    home.cluster.node(0).restart(false).await;
    home.cluster.nodes()[0].command::<()>("CLUSTER ADDSLOTSRANGE 0 16383").await;

    let renewal = wait_for("the new node is used", 5 * CALL, async || {
        home.manager().renew(&a, LONG).await.ok()
    });
    assert_eq!(renewal.await, Renewal::Created);
    let touched = home.manager().touch(&user("gus"), &device("phone"), claimed.epoch).await;
    assert_eq!(touched.unwrap(), Touched::Gone);
    let after = home.manager().shards().await.unwrap();
    assert_ne!(after.master_of(0), before.master_of(0));
}

#[tokio::test]
async fn a_cluster_that_moved_is_found_though_its_old_addresses_swallow_everything() {
    let (old, new) = (RedisNode::start().await, RedisNode::start().await);
    old.command::<()>("CLUSTER ADDSLOTSRANGE 0 16383").await;
    let settings = RedisSettings::new(vec![old.address(), new.address()]);
    let manager = RedisManager::new(settings).unwrap();
    let a = lease("a");
    wait_for("the old node is used", 5 * CALL, async || manager.renew(&a, LONG).await.ok()).await;
    // Connections to it neither fail nor answer, as to the address of a pod that is no more.
    old.pause();
    new.command::<()>("CLUSTER ADDSLOTSRANGE 0 16383").await;
    let renewal =
        wait_for("the new node is used", 10 * CALL, async || manager.renew(&a, LONG).await.ok());
    assert_eq!(renewal.await, Renewal::Created);
}

#[tokio::test]
async fn keys_are_where_the_slot_function_says() {
    let home = Redis::start(3, 0).await;
    let a = lease("a");
    for name in ["hal", "a.b@c", "+49:1-2_3"] {
        home.manager().claim(&a, &claim(name, "phone", 1)).await.unwrap();
        let master = home.cluster.master_of(slot(&user(name)), 0).await.unwrap();
        let mut ask = redis::cmd("HEXISTS");
        ask.arg(format!("route:{{{name}}}")).arg("phone");
        assert!(home.cluster.nodes()[master].query::<bool>(&ask).await.unwrap(), "{name}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_what_is_wrong() {
    for node in ["", "host", "host:", ":6379", "host:0", "host:99999", "redis://host:1", "a b:1"] {
        let refused = RedisManager::new(RedisSettings::new(vec![node.to_owned()])).unwrap_err();
        assert!(refused.to_string().contains(&format!("{node:?}")), "{refused}");
    }
    assert!(RedisManager::new(RedisSettings::new(vec![])).is_err());
    assert!(RedisManager::new(RedisSettings::new(vec!["redis-0.redis:6379".into()])).is_ok());
}
