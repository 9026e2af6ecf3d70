//! The commands on routes.

use std::time::Duration;

use chatcluster_protocol::id::{DeviceId, UserId};
use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{AsyncCommands, ErrorKind, RedisError, RedisResult, cluster_async::ClusterConnection};

use super::{AT_ONCE, scripts};
use crate::{
    Claim, Claimed, Incarnation, Lease, ROUTES_PER_USER, Reclaimed, Route, Touched,
    encoding::{Undecodable, decode_route, encode_route},
    epoch,
};

/// In braces stands what decides the slot; [`crate::slot`] counts on it.
fn key(user: &UserId) -> String {
    format!("route:{{{user}}}")
}

pub(super) async fn claim(
    redis: &mut ClusterConnection,
    lease: &Lease,
    claim: &Claim,
    lifetime: Duration,
) -> RedisResult<Claimed> {
    let arguments = arguments(lease, claim, lifetime);
    let (epoch, before): (u64, Option<String>) =
        scripts::CLAIM.run(redis, &key(&claim.user), &arguments).await?;
    Ok(claimed(claim, epoch, before))
}

pub(super) async fn reclaim(
    redis: &mut ClusterConnection,
    lease: &Lease,
    claim: &Claim,
    lifetime: Duration,
) -> RedisResult<Reclaimed> {
    let mut arguments = arguments(lease, claim, lifetime).to_vec();
    arguments.push(claim.last_epoch.unwrap_or(0).to_string());
    let (epoch, before): (Option<u64>, Option<String>) =
        scripts::CLAIM.run(redis, &key(&claim.user), &arguments).await?;
    match epoch {
        Some(epoch) => Ok(Reclaimed::Claimed(claimed(claim, epoch, before))),
        None => {
            let by = decode_route(before.as_deref().unwrap_or_default());
            by.map(Reclaimed::Replaced).map_err(unreadable)
        }
    }
}

fn arguments(lease: &Lease, claim: &Claim, lifetime: Duration) -> [String; 5] {
    [
        claim.device.to_string(),
        epoch::floor(claim).to_string(),
        encode_route(lease, claim.connection),
        lifetime.as_millis().to_string(),
        ROUTES_PER_USER.to_string(),
    ]
}

fn claimed(claim: &Claim, epoch: u64, before: Option<String>) -> Claimed {
    let previous = before.and_then(|before| readable(&claim.user, &before));
    Claimed { epoch, previous }
}

pub(super) async fn touch(
    redis: &mut ClusterConnection,
    user: &UserId,
    device: &DeviceId,
    epoch: u64,
    lifetime: Duration,
) -> RedisResult<Touched> {
    let arguments = [device.as_str(), &epoch.to_string(), &lifetime.as_millis().to_string()];
    let found: Option<String> = scripts::TOUCH.run(redis, &key(user), &arguments).await?;
    match found.as_deref() {
        None => Ok(Touched::Gone),
        Some("") => Ok(Touched::Held),
        Some(other) => decode_route(other).map(Touched::Replaced).map_err(unreadable),
    }
}

pub(super) async fn release(
    redis: &mut ClusterConnection,
    user: &UserId,
    device: &DeviceId,
    epoch: u64,
    lifetime: Duration,
) -> RedisResult<bool> {
    let arguments = [device.as_str(), &epoch.to_string(), &lifetime.as_millis().to_string()];
    scripts::RELEASE.run(redis, &key(user), &arguments).await
}

/// The routes of users in the order asked, whatever became of their leases; devices in order.
pub(super) async fn read(
    redis: ClusterConnection,
    users: &[UserId],
) -> RedisResult<Vec<Vec<(DeviceId, Route)>>> {
    // Owned, so that the future does not borrow from inside a closure.
    let users: Vec<UserId> = users.to_vec();
    stream::iter(users)
        .map(|user| {
            let mut redis = redis.clone();
            async move {
                let found: Vec<(String, String)> = redis.hgetall(key(&user)).await?;
                let mut routes: Vec<_> = found
                    .into_iter()
                    .filter_map(|(device, route)| {
                        Some((DeviceId::new(device).ok()?, readable(&user, &route)?))
                    })
                    .collect();
                routes.sort_by(|(one, _), (other, _)| one.cmp(other));
                Ok(routes)
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Whose routes a user has, whatever became of their leases, and how long ago they were seen; in the order
/// asked.
pub(super) async fn presence(
    redis: ClusterConnection,
    users: &[UserId],
    lifetime: Duration,
) -> RedisResult<Vec<(Vec<Incarnation>, Option<Duration>)>> {
    let users: Vec<UserId> = users.to_vec();
    stream::iter(users)
        .map(|user| {
            let mut redis = redis.clone();
            async move {
                let nothing: [&str; 0] = [];
                let (left, values): (i64, Vec<String>) =
                    scripts::PRESENCE.run(&mut redis, &key(&user), &nothing).await?;
                // An empty one only says that the user was here.
                let routes = values.iter().filter(|value| !value.is_empty());
                let holders = routes.filter_map(|route| readable(&user, route));
                let left = u64::try_from(left).ok().map(Duration::from_millis);
                let seen = left.map(|left| lifetime.saturating_sub(left));
                Ok((holders.map(|route| route.incarnation).collect(), seen))
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// A route that cannot be read is as good as none: its device falls back to its inbox.
fn readable(user: &UserId, text: &str) -> Option<Route> {
    decode_route(text)
        .inspect_err(
            |e| tracing::warn!(%user, error = %e, "ignored a route in the WebSocket manager"),
        )
        .ok()
}

fn unreadable(error: Undecodable) -> RedisError {
    RedisError::from((ErrorKind::Client, "unreadable route", error.to_string()))
}
