//! The WebSocket manager as gateways see it: which gateway, address, port and connection holds which
//! device of which user.
//!
//! It is soft state. Every route can be lost at any time, and the gateway that holds the connection
//! claims it again; a wrong route delays a message and never loses it, since the message is stored
//! before anybody looks here.
//!
//! - [`Manager`]: what can be asked
//! - [`RedisManager`]: its home in a Redis Cluster, for a fleet
//! - [`MemoryManager`]: its home in the memory of this process, for one gateway alone and for tests
//! - [`slot`]: which part of the users somebody belongs to
//!
//! Both homes pass the same tests (`tests/it/conformance.rs`).

use std::{future::Future, time::Duration};

use chatcluster_protocol::id::{DeviceId, UserId};

mod drain;
mod encoding;
mod epoch;
mod memory;
mod redis_cluster;
mod slot;
mod types;

pub use memory::{MemoryManager, Snapshot};
pub use redis_cluster::{InvalidNode, RedisManager, RedisSettings};
pub use slot::{SLOTS, slot};
pub use types::{
    Claim, Claimed, GatewayName, Incarnation, Lease, ManagerError, Presence, Reclaimed, Renewal,
    Route, ShardMap, Touched,
};

/// How long a route stays without a touch, where nothing else is said. Much longer than the time
/// between two touches, so that only routes without an owner go. For as long it is known when somebody
/// was last seen.
pub const ROUTE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Most routes of one user. Beyond it the route with the lowest epoch gives way: crashed gateways
/// leave routes behind, and if one that lives is hit, its next touch finds it gone.
pub const ROUTES_PER_USER: usize = 64;

/// What every home of the manager can do. Each call is answered within a few seconds or fails; after
/// a failure nothing is known of the outcome, and repeating the call does no harm.
pub trait Manager: Send + Sync + 'static {
    /// Takes or renews the lease of a gateway's incarnation for `ttl` from now.
    fn renew(
        &self,
        lease: &Lease,
        ttl: Duration,
    ) -> impl Future<Output = Result<Renewal, ManagerError>> + Send;

    /// Ends a lease in good order: its routes are worth nothing from now on, and nobody has to probe
    /// for what it held.
    fn end(
        &self,
        incarnation: Incarnation,
    ) -> impl Future<Output = Result<(), ManagerError>> + Send;

    /// All leases that are alive.
    fn leases(&self) -> impl Future<Output = Result<Vec<Lease>, ManagerError>> + Send;

    /// Makes `lease`'s gateway the holder of a device, and says who was before.
    fn claim(
        &self,
        lease: &Lease,
        claim: &Claim,
    ) -> impl Future<Output = Result<Claimed, ManagerError>> + Send;

    /// The same, unless the device has a route with an epoch above the claim's `last_epoch`: a connection
    /// that holds the device already asserts its route again, and must not take the device from the
    /// connection that the client opened since.
    fn reclaim(
        &self,
        lease: &Lease,
        claim: &Claim,
    ) -> impl Future<Output = Result<Reclaimed, ManagerError>> + Send;

    /// Is the route of this epoch still there? Keeps it from expiring.
    fn touch(
        &self,
        user: &UserId,
        device: &DeviceId,
        epoch: u64,
    ) -> impl Future<Output = Result<Touched, ManagerError>> + Send;

    /// Removes the route if it still has this epoch; says whether it did. That the user was here stays
    /// known for the lifetime of a route.
    fn release(
        &self,
        user: &UserId,
        device: &DeviceId,
        epoch: u64,
    ) -> impl Future<Output = Result<bool, ManagerError>> + Send;

    /// The routes of users, in the order asked, read from masters; only those whose lease lives.
    fn routes(
        &self,
        users: &[UserId],
    ) -> impl Future<Output = Result<Vec<Vec<(DeviceId, Route)>>, ManagerError>> + Send;

    /// Who of these users is online, in the order asked, read from masters.
    fn presence(
        &self,
        users: &[UserId],
    ) -> impl Future<Output = Result<Vec<Presence>, ManagerError>> + Send;

    /// Who is master of what, as of now.
    fn shards(&self) -> impl Future<Output = Result<ShardMap, ManagerError>> + Send;

    /// Takes up to `want` tokens from the fleet-wide drain budget, which refills by `rate` a second
    /// and holds one second's worth; says how many there were. The manager's clock counts, so that
    /// gateways whose clocks differ share one budget.
    fn take_drain_tokens(
        &self,
        want: u32,
        rate: u32,
    ) -> impl Future<Output = Result<u32, ManagerError>> + Send;
}
