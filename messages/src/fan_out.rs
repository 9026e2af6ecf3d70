//! Finishing what a crash left half done: at the start, and from time to time after it.

use std::{sync::Arc, time::Duration};

use chatcluster_protocol::id::MessageId;
use messages_core::repository::Repository;
use tokio_util::sync::CancellationToken;

use crate::{Clock, Metrics};

/// How long a message's own gateway has for finishing it, in milliseconds, and how often others look.
const AFTER: u64 = 10_000;

/// Looks for pending fan-outs until the token is cancelled.
pub async fn finish_pending<R: Repository>(
    repository: Arc<R>,
    clock: Clock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    loop {
        let before = MessageId::floor(clock().saturating_sub(AFTER));
        match repository.finish_pending(before).await {
            Ok(0) => {}
            Ok(finished) => {
                metrics.finished.inc_by(finished as u64);
                tracing::info!(finished, "filled inboxes that a crash had left");
            }
            Err(error) => tracing::warn!(%error, "looking for pending messages failed"),
        }
        let pause = tokio::time::sleep(Duration::from_millis(AFTER));
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}
