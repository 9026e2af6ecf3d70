//! The manager in a Redis Cluster.
//!
//! | key | what |
//! |---|---|
//! | `route:{user}` | hash of device to route; expires when neither claimed, touched nor released. What it has left of its lifetime says when its user was seen |
//! | `lease:{incarnation}` | a gateway's lease; expires when not renewed |
//! | `leases` | sorted set of incarnations by the end of their leases: who to look for |
//! | `drain` | the drain budget |
//!
//! Every command touches one key. All reads go to masters. Losing any of it, or all, costs claims and
//! never a message.

mod alive;
mod connection;
mod leases;
mod routes;
mod scripts;
mod shards;

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chatcluster_protocol::id::{DeviceId, UserId};
use connection::Connection;
use leases::Lives;

use crate::{
    Claim, Claimed, Incarnation, Lease, Manager, ManagerError, Presence, ROUTE_LIFETIME, Reclaimed,
    Renewal, Route, ShardMap, Touched,
};

/// Keys looked up at the same time by one call. Enough to fill a round trip, and a bound on what a
/// call for very many users has under way.
const AT_ONCE: usize = 256;

/// How to reach the cluster, and how long things take.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Some of the nodes, `host:port`; the others are found through them.
    pub nodes: Vec<String>,
    /// After this a call has failed; 2 s. Longer hides short hiccups and holds up logins longer.
    pub deadline: Duration,
    /// How long a route stays without a touch; [`ROUTE_LIFETIME`].
    pub route_lifetime: Duration,
    /// How long a lease that was seen alive is believed to be, and its end by another gateway goes
    /// unnoticed; 1 s. Zero asks each time.
    pub believe_leases: Duration,
}

impl RedisSettings {
    /// The defaults, for a cluster with these nodes.
    pub fn new(nodes: Vec<String>) -> Self {
        Self {
            nodes,
            deadline: Duration::from_secs(2),
            route_lifetime: ROUTE_LIFETIME,
            believe_leases: Duration::from_secs(1),
        }
    }
}

/// A node in [`RedisSettings::nodes`] is not `host:port`, or there is none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("nodes of the WebSocket manager: {0}")]
pub struct InvalidNode(String);

/// The manager in a Redis Cluster. It connects when it is first asked something and reconnects by
/// itself; until then, and while the cluster is away, calls fail within their deadline.
pub struct RedisManager {
    connection: Connection,
    route_lifetime: Duration,
    memory: Mutex<Memory>,
}

/// What is remembered between calls; all of it may be forgotten.
struct Memory {
    alive: alive::Alive,
    lives: Lives,
    shards: shards::Shards,
}

impl RedisManager {
    /// A manager in the cluster that the settings name. Does not connect yet.
    pub fn new(settings: RedisSettings) -> Result<Self, InvalidNode> {
        if settings.nodes.is_empty() {
            return Err(InvalidNode("there is none".to_owned()));
        }
        for node in &settings.nodes {
            let port = node.rsplit_once(':').and_then(|(host, port)| {
                let plain = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
                port.parse::<u16>().ok().filter(|port| plain && *port != 0)
            });
            port.ok_or_else(|| InvalidNode(format!("{node:?} is not host:port")))?;
        }
        let connection = Connection::new(&settings).map_err(|e| InvalidNode(e.to_string()))?;
        let memory = Memory {
            alive: alive::Alive::new(settings.believe_leases),
            lives: Lives::default(),
            shards: shards::Shards::default(),
        };
        let (route_lifetime, memory) = (settings.route_lifetime, Mutex::new(memory));
        Ok(Self { connection, route_lifetime, memory })
    }

    /// Held for a moment and never across an await.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the incarnations whose leases are alive.
    async fn alive(
        &self,
        all: impl Iterator<Item = Incarnation>,
    ) -> redis::RedisResult<BTreeSet<Incarnation>> {
        let asked = Instant::now();
        let (mut believed, doubtful) = {
            let memory = self.memory();
            leases::split(all, |incarnation| memory.alive.contains(incarnation, asked))
        };
        let living = leases::living(self.connection.get(), doubtful).await?;
        let mut memory = self.memory();
        for (incarnation, left) in living {
            memory.alive.insert(incarnation, left, asked);
            believed.insert(incarnation);
        }
        Ok(believed)
    }
}

impl std::fmt::Debug for RedisManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisManager").finish_non_exhaustive()
    }
}

impl Manager for RedisManager {
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewal, ManagerError> {
        let mut redis = self.connection.get();
        let proposed = uuid::Uuid::new_v4().simple().to_string();
        let work = leases::renew(&mut redis, lease, &proposed, ttl);
        let life = self.connection.within("renewing a lease", work).await?;
        Ok(self.memory().lives.note(lease.incarnation, life))
    }

    async fn end(&self, incarnation: Incarnation) -> Result<(), ManagerError> {
        self.memory().alive.forget(incarnation);
        let mut redis = self.connection.get();
        let work = leases::end(&mut redis, incarnation);
        self.connection.within("ending a lease", work).await?;
        let mut memory = self.memory();
        // Again, for whoever looked while it ended.
        memory.alive.forget(incarnation);
        memory.lives.forget(incarnation);
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, ManagerError> {
        let work = leases::all(self.connection.get());
        self.connection.within("listing leases", work).await
    }

    async fn claim(&self, lease: &Lease, claim: &Claim) -> Result<Claimed, ManagerError> {
        let mut redis = self.connection.get();
        let work = routes::claim(&mut redis, lease, claim, self.route_lifetime);
        self.connection.within("claiming a route", work).await
    }

    async fn reclaim(&self, lease: &Lease, claim: &Claim) -> Result<Reclaimed, ManagerError> {
        let mut redis = self.connection.get();
        let work = routes::reclaim(&mut redis, lease, claim, self.route_lifetime);
        self.connection.within("claiming a route again", work).await
    }

    async fn touch(
        &self,
        user: &UserId,
        device: &DeviceId,
        epoch: u64,
    ) -> Result<Touched, ManagerError> {
        let mut redis = self.connection.get();
        let work = routes::touch(&mut redis, user, device, epoch, self.route_lifetime);
        self.connection.within("touching a route", work).await
    }

    async fn release(
        &self,
        user: &UserId,
        device: &DeviceId,
        epoch: u64,
    ) -> Result<bool, ManagerError> {
        let mut redis = self.connection.get();
        let work = routes::release(&mut redis, user, device, epoch, self.route_lifetime);
        self.connection.within("releasing a route", work).await
    }

    async fn routes(&self, users: &[UserId]) -> Result<Vec<Vec<(DeviceId, Route)>>, ManagerError> {
        let work = async {
            let mut found = routes::read(self.connection.get(), users).await?;
            let all = found.iter().flatten().map(|(_, route)| route.incarnation);
            let alive = self.alive(all).await?;
            for routes in &mut found {
                routes.retain(|(_, route)| alive.contains(&route.incarnation));
            }
            Ok(found)
        };
        self.connection.within("reading routes", work).await
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, ManagerError> {
        let work = async {
            let redis = self.connection.get();
            let found = routes::presence(redis, users, self.route_lifetime).await?;
            let alive = self.alive(found.iter().flat_map(|(holders, _)| holders.clone())).await?;
            let presence = |(holders, seen): (Vec<Incarnation>, _)| {
                let online = holders.iter().any(|holder| alive.contains(holder));
                Presence { online, seen }
            };
            Ok(found.into_iter().map(presence).collect())
        };
        self.connection.within("reading who is online", work).await
    }

    async fn shards(&self) -> Result<ShardMap, ManagerError> {
        let operation = "reading the shards";
        let mut redis = self.connection.get();
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("NODES");
        let work = async {
            let any = redis::cluster_routing::SingleNodeRoutingInfo::Random;
            let answer = redis
                .route_command(ask, redis::cluster_routing::RoutingInfo::SingleNode(any))
                .await?;
            redis::from_redis_value::<String>(answer).map_err(Into::into)
        };
        let answer = self.connection.within(operation, work).await?;
        let heard = self.memory().shards.hear(&answer, Instant::now());
        heard.map_err(|e| ManagerError { operation, reason: e.to_string() })
    }

    async fn take_drain_tokens(&self, want: u32, rate: u32) -> Result<u32, ManagerError> {
        let mut redis = self.connection.get();
        let arguments = [want, rate];
        let work = scripts::DRAIN.run(&mut redis, "drain", &arguments);
        self.connection.within("taking drain tokens", work).await
    }
}
