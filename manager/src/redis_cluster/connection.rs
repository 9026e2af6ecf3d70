//! The connection to the cluster: made when it is first needed, bounded in time, and made anew when
//! nothing has worked for a while.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redis::{
    RedisResult,
    cluster::{ClusterClient, ClusterClientBuilder, ClusterConfig},
    cluster_async::ClusterConnection,
};

use super::RedisSettings;
use crate::ManagerError;

/// After this long without any success the connection starts over from the configured nodes, in case
/// it holds on to addresses that are gone for good. Longer than a take-over needs.
const START_OVER_AFTER: Duration = Duration::from_secs(10);

/// Attempts of one call: enough for a redirection, a look at the new map and two tries there.
const ATTEMPTS: u32 = 6;

/// Pause between attempts, in milliseconds; they double from the first to the second.
const PAUSES: (u64, u64) = (10, 200);

pub(super) struct Connection {
    client: ClusterClient,
    deadline: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<ClusterConnection>,
    failing_since: Option<Instant>,
}

impl Connection {
    pub(super) fn new(settings: &RedisSettings) -> RedisResult<Self> {
        let nodes = settings.nodes.iter().map(|node| format!("redis://{node}"));
        let client = ClusterClientBuilder::new(nodes)
            .overall_response_timeout(Some(settings.deadline))
            .retries(ATTEMPTS)
            .min_retry_wait(PAUSES.0)
            .max_retry_wait(PAUSES.1)
            .build()?;
        Ok(Self { client, deadline: settings.deadline, state: Mutex::default() })
    }

    /// The connection. It connects in the background; calls on it wait or fail.
    pub(super) fn get(&self) -> ClusterConnection {
        let mut state = self.lock();
        let connect = || {
            // A quarter for each step, so that one silent node leaves time to ask another.
            let step = self.deadline / 4;
            let config =
                ClusterConfig::new().set_connection_timeout(step).set_response_timeout(step);
            self.client.get_pending_async_connection_with_config(config)
        };
        state.connection.get_or_insert_with(connect).clone()
    }

    /// Awaits the answer of `operation` within the deadline.
    pub(super) async fn within<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = RedisResult<T>> + Send,
    ) -> Result<T, ManagerError> {
        let reason = match tokio::time::timeout(self.deadline, work).await {
            Ok(Ok(answer)) => {
                self.lock().failing_since = None;
                return Ok(answer);
            }
            Ok(Err(e)) => e.to_string(),
            Err(_) => format!("no answer within {:?}", self.deadline),
        };
        self.note_failure();
        Err(ManagerError { operation, reason })
    }

    fn note_failure(&self) {
        let mut state = self.lock();
        let since = *state.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= START_OVER_AFTER {
            tracing::warn!(
                "nothing worked at the WebSocket manager for {START_OVER_AFTER:?}: connecting anew"
            );
            *state = State::default();
        }
    }

    /// Held for a moment and never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
