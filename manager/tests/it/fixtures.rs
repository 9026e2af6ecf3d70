//! The two homes behind one harness, and short names for what tests talk about.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chatcluster_manager::{
    Claim, Incarnation, Lease, Manager, MemoryManager, RedisManager, RedisSettings, Route,
};
use chatcluster_protocol::id::{DeviceId, UserId};
use chatcluster_testkit::redis::RedisCluster;
use uuid::Uuid;

/// How long routes of [`Home::short_lived`] live: long beside a call on a busy machine, short enough
/// to wait for.
pub(crate) const ROUTE_LIFETIME: Duration = Duration::from_secs(4);

/// A lease that outlives every test.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// A time of some gateway's clock.
pub(crate) const NOW: u64 = 1_732_000_000_000;

/// A home of the manager whose time can pass.
pub(crate) trait Home {
    type Manager: Manager;

    /// The manager as one gateway sees it.
    fn manager(&self) -> &Self::Manager;

    /// The same manager as another gateway sees it.
    fn other(&self) -> &Self::Manager;

    /// The same manager with routes that live for [`ROUTE_LIFETIME`].
    fn short_lived(&self) -> &Self::Manager;

    /// Lets this much time pass for leases, routes and the drain budget.
    fn pass(&self, time: Duration) -> impl Future<Output = ()>;
}

pub(crate) struct Memory {
    manager: MemoryManager,
    other: MemoryManager,
    short_lived: MemoryManager,
    clock: Arc<AtomicU64>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(1));
        let time = Arc::clone(&clock);
        let manager = MemoryManager::new(move || time.load(Ordering::Relaxed));
        let short_lived = manager.clone().with_route_lifetime(ROUTE_LIFETIME);
        Self { other: manager.clone(), manager, short_lived, clock }
    }
}

impl Home for Memory {
    type Manager = MemoryManager;

    fn manager(&self) -> &MemoryManager {
        &self.manager
    }

    fn other(&self) -> &MemoryManager {
        &self.other
    }

    fn short_lived(&self) -> &MemoryManager {
        &self.short_lived
    }

    async fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

pub(crate) struct Redis {
    pub(crate) cluster: RedisCluster,
    manager: RedisManager,
    other: RedisManager,
    short_lived: RedisManager,
}

impl Redis {
    pub(crate) async fn start(masters: usize, replicas: usize) -> Self {
        Self::with(RedisCluster::start(masters, replicas).await, |_| {})
    }

    /// Believes no lease without asking, so that another gateway's doings show at once.
    pub(crate) async fn start_doubting() -> Self {
        Self::with(RedisCluster::start(3, 0).await, |s| s.believe_leases = Duration::ZERO)
    }

    fn with(cluster: RedisCluster, change: impl Fn(&mut RedisSettings)) -> Self {
        let mut settings = RedisSettings::new(cluster.addresses());
        change(&mut settings);
        let short = RedisSettings { route_lifetime: ROUTE_LIFETIME, ..settings.clone() };
        let [manager, other, short_lived] =
            [settings.clone(), settings, short].map(|s| RedisManager::new(s).unwrap());
        Self { cluster, manager, other, short_lived }
    }
}

impl Home for Redis {
    type Manager = RedisManager;

    fn manager(&self) -> &RedisManager {
        &self.manager
    }

    fn other(&self) -> &RedisManager {
        &self.other
    }

    fn short_lived(&self) -> &RedisManager {
        &self.short_lived
    }

    /// The servers' clock is the real one.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

/// A lease of a new incarnation.
pub(crate) fn lease(gateway: &str) -> Lease {
    let (gateway, host) = (gateway.to_owned(), format!("{gateway}.example"));
    Lease { incarnation: Incarnation(Uuid::new_v4()), gateway, host, port: 8444 }
}

/// A claim at [`NOW`] by a client that knows no epoch.
pub(crate) fn claim(user_: &str, device_: &str, connection: u64) -> Claim {
    let (user, device) = (user(user_), device(device_));
    Claim { user, device, connection, last_epoch: None, now: NOW }
}

/// The route that a claim makes.
pub(crate) fn route(lease: &Lease, connection: u64, epoch: u64) -> Route {
    let Lease { incarnation, gateway, host, port } = lease.clone();
    Route { gateway, host, port, connection, incarnation, epoch }
}
