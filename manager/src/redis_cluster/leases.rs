//! The commands on leases.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{AsyncCommands, RedisResult, cluster_async::ClusterConnection};

use super::{AT_ONCE, scripts};
use crate::{
    Incarnation, Lease, Renewal,
    encoding::{decode_incarnation, decode_lease, encode_lease},
};

/// The one key that every gateway writes: one small command per gateway and renewal.
const LIST: &str = "leases";

/// How long an ended lease stays listed, in milliseconds. Longer than a renewal can be under way, so
/// that cleaning never drops one that has just been renewed.
const LISTED_AFTER_END: u64 = 60_000;

/// Lives remembered at most. A gateway has one lease at a time and a new one now and then.
const LIVES: usize = 1024;

fn key(incarnation: Incarnation) -> String {
    format!("lease:{incarnation}")
}

/// Lists the incarnation and then renews its lease, so that no living lease is unlisted. Returns the
/// life of the lease, which is `proposed` only if there was none.
pub(super) async fn renew(
    redis: &mut ClusterConnection,
    lease: &Lease,
    proposed: &str,
    ttl: Duration,
) -> RedisResult<String> {
    // Redis takes no zero.
    let ttl = ttl.as_millis().max(1).to_string();
    let incarnation = lease.incarnation.to_string();
    let listed = [incarnation.as_str(), &ttl, &LISTED_AFTER_END.to_string()];
    scripts::LIST.run::<()>(redis, LIST, &listed).await?;
    let arguments = [proposed, &encode_lease(lease), &ttl];
    scripts::RENEW.run(redis, &key(lease.incarnation), &arguments).await
}

pub(super) async fn end(
    redis: &mut ClusterConnection,
    incarnation: Incarnation,
) -> RedisResult<()> {
    redis.del::<_, ()>(key(incarnation)).await?;
    redis.zrem(LIST, incarnation.to_string()).await
}

/// All leases that are alive, in the order of their incarnations.
pub(super) async fn all(mut redis: ClusterConnection) -> RedisResult<Vec<Lease>> {
    let listed: Vec<String> = redis.zrange(LIST, 0, -1).await?;
    let listed: Vec<Incarnation> =
        listed.iter().filter_map(|text| decode_incarnation(text)).collect();
    let found: Vec<Option<Lease>> = stream::iter(listed)
        .map(|incarnation| {
            let mut redis = redis.clone();
            async move {
                let found: Option<String> = redis.get(key(incarnation)).await?;
                RedisResult::Ok(found.and_then(|text| readable(incarnation, &text)))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut leases: Vec<Lease> = found.into_iter().flatten().collect();
    leases.sort_by_key(|lease| lease.incarnation);
    Ok(leases)
}

/// Those of the incarnations whose leases are alive, and how long they have left.
pub(super) async fn living(
    redis: ClusterConnection,
    incarnations: BTreeSet<Incarnation>,
) -> RedisResult<Vec<(Incarnation, Duration)>> {
    let found: Vec<(Incarnation, i64)> = stream::iter(incarnations)
        .map(|incarnation| {
            let mut redis = redis.clone();
            async move { RedisResult::Ok((incarnation, redis.pttl(key(incarnation)).await?)) }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    // What is absent is answered with a negative number.
    let left = |(incarnation, left): (_, i64)| {
        Some((incarnation, Duration::from_millis(left.try_into().ok()?)))
    };
    Ok(found.into_iter().filter_map(left).collect())
}

/// Splits incarnations into those that `believed` vouches for and the others, each once.
pub(super) fn split(
    incarnations: impl Iterator<Item = Incarnation>,
    believed: impl Fn(Incarnation) -> bool,
) -> (BTreeSet<Incarnation>, BTreeSet<Incarnation>) {
    incarnations.collect::<BTreeSet<_>>().into_iter().partition(|i| believed(*i))
}

fn readable(incarnation: Incarnation, text: &str) -> Option<Lease> {
    decode_lease(incarnation, text)
        .inspect_err(|e| tracing::warn!(%incarnation, error = %e, "ignored a lease in the WebSocket manager"))
        .ok()
}

/// Which life of each lease this manager has heard of. Whoever creates a lease gives it a new life,
/// and renewing keeps it: so an answer with a life that was never heard means that the lease was
/// created since, even when the answer to the creation itself was lost.
#[derive(Default)]
pub(super) struct Lives(HashMap<Incarnation, String>);

impl Lives {
    pub(super) fn note(&mut self, incarnation: Incarnation, life: String) -> Renewal {
        if self.0.len() >= LIVES && !self.0.contains_key(&incarnation) {
            // Forgetting reports a lease as created once more, which costs claims and is never wrong.
            self.0.clear();
        }
        let known = self.0.get(&incarnation) == Some(&life);
        if !known {
            self.0.insert(incarnation, life);
        }
        if known { Renewal::Kept } else { Renewal::Created }
    }

    pub(super) fn forget(&mut self, incarnation: Incarnation) {
        self.0.remove(&incarnation);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_lease_whose_creation_went_unheard_is_reported_as_created() {
        let incarnation = Incarnation(Uuid::nil());
        let mut lives = Lives::default();
        assert_eq!(lives.note(incarnation, "first".into()), Renewal::Created);
        assert_eq!(lives.note(incarnation, "first".into()), Renewal::Kept);
        // It was lost and created as "second", but that answer never came.
        assert_eq!(lives.note(incarnation, "second".into()), Renewal::Created);
        assert_eq!(lives.note(incarnation, "second".into()), Renewal::Kept);
    }
}
