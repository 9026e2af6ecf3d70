//! Nothing is waited for without an end.

use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

/// Fails, with what was done, when that fails or takes longer.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    timeout(limit, Box::pin(work))
        .await
        .with_context(|| format!("{what}: not done within {limit:?}"))?
        .with_context(|| what.to_owned())
}
