//! Devices that nobody uses expire, removals that were left half done are finished, and the list of what was
//! revoked forgets.

use std::{sync::Arc, time::Duration};

use chatcluster_protocol::Millis;
use messages_core::repository::{Repository, RepositoryError};
use tokio_util::sync::CancellationToken;

use crate::{Clock, Metrics};

/// How long whoever removes a device has for it, in milliseconds: many times what it takes.
const AFTER: Millis = 60_000;

/// How often half removals are looked for.
const EVERY: Duration = Duration::from_secs(10);

/// How long revocations are in the list that gateways read, in milliseconds. One that could not read it for
/// longer asks about each of its sessions.
const REVOCATIONS: Millis = 3_600_000;

/// How often all users are looked at: `last_seen` is kept to the hour.
const EXPIRY_EVERY: Millis = 3_600_000;

/// Between two pages of users, so that a walk over millions of them is not felt.
const PAGE_EVERY: Duration = Duration::from_millis(20);

/// Removes what has not been seen for `unused_after`, and finishes removals, until the token is cancelled.
pub async fn sweep<R: Repository>(
    repository: Arc<R>,
    unused_after: Duration,
    clock: Clock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let mut expired = None;
    loop {
        let now = clock();
        match repository.finish_removals(now.saturating_sub(AFTER)).await {
            Ok(0) => {}
            Ok(finished) => tracing::info!(finished, "finished removals of devices"),
            Err(error) => tracing::warn!(%error, "looking for half removed devices failed"),
        }
        if let Err(error) = repository.forget_revocations(now.saturating_sub(REVOCATIONS)).await {
            tracing::warn!(%error, "forgetting old revocations failed");
        }
        if expired.is_none_or(|at: Millis| at.saturating_add(EXPIRY_EVERY) <= now) {
            let unseen_since = now.saturating_sub(unused_after.as_millis() as u64);
            let walk = expire(&*repository, unseen_since, &metrics);
            match shutdown.run_until_cancelled(walk).await {
                Some(Ok(())) => expired = Some(now),
                Some(Err(error)) => tracing::warn!(%error, "removing unused devices failed"),
                None => return,
            }
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

async fn expire<R: Repository>(
    repository: &R,
    unseen_since: Millis,
    metrics: &Metrics,
) -> Result<(), RepositoryError> {
    let (mut after, mut all) = (None, 0);
    loop {
        let (removed, next) = repository.expire_devices(unseen_since, after).await?;
        metrics.devices_expired.inc_by(removed as u64);
        all += removed;
        if next.is_none() {
            break;
        }
        after = next;
        tokio::time::sleep(PAGE_EVERY).await;
    }
    if all > 0 {
        tracing::info!(removed = all, "removed devices that nobody used");
    }
    Ok(())
}
