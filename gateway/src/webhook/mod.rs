//! Tells a backend, by HTTP, that something waits for users without a connected device, so that it can have
//! their devices woken. What it is told is a hint: the message is stored, and waits in the inbox.
//!
//! - [`event`]: what is told
//! - [`post`]: one batch on its way, tried again and again until it is taken or given up
//! - [`sign`]: who says so

mod event;
mod post;
mod sign;

use std::{sync::Arc, time::Duration};

use chatcluster_config::WebhookTarget;
use chatcluster_protocol::id::UserId;
use event::Events;
use gateway_core::Push;
pub use post::InvalidTarget;
use post::Post;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, count, count_by};

/// Events that wait to be sent; further ones are dropped.
const WAITING: usize = 10_000;

/// Most events in a request, and how long the first of them waits for others.
const BATCH: usize = 100;
const GATHER: Duration = Duration::from_secs(1);

/// Requests under way, those that wait to be tried again among them.
const POSTS: usize = 16;

/// How long what is left may take when the gateway stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Something waits for a user.
type Absent = (UserId, Push);

/// The way to the backend.
#[derive(Debug)]
pub struct Webhook {
    waiting: mpsc::Sender<Absent>,
    metrics: Metrics,
}

/// What ends it.
#[derive(Debug)]
pub struct Ending {
    stopping: CancellationToken,
    sending: JoinHandle<()>,
}

impl Webhook {
    /// Starts it. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the target cannot be used.
    pub fn start(
        target: &WebhookTarget,
        metrics: Metrics,
    ) -> Result<(Self, Ending), InvalidTarget> {
        let stopping = CancellationToken::new();
        let post = Arc::new(Post::new(target, metrics.clone(), stopping.clone())?);
        let (waiting, events) = mpsc::channel(WAITING);
        let sending = tokio::spawn(send(events, post, stopping.clone()));
        Ok((Self { waiting, metrics }, Ending { stopping, sending }))
    }

    /// No device of the user is connected, and this waits for one.
    pub fn absent(&self, user: UserId, push: Push) {
        if self.waiting.try_send((user, push)).is_err() {
            count(&self.metrics.webhook_events, "dropped");
        }
    }
}

impl Ending {
    /// Sends what is left, each once more, and gives up what is not taken.
    pub async fn finish(self) {
        self.stopping.cancel();
        if timeout(LAST_WORDS, self.sending).await.is_err() {
            tracing::warn!("the webhook's target took too long; some events are lost");
        }
    }
}

async fn send(mut waiting: mpsc::Receiver<Absent>, post: Arc<Post>, stopping: CancellationToken) {
    let room = Arc::new(Semaphore::new(POSTS));
    let mut posts = JoinSet::new();
    while let Some(batch) = gather(&mut waiting, &stopping).await {
        while posts.try_join_next().is_some() {}
        let events = Events::of(batch);
        if events.is_empty() {
            continue;
        }
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let post = post.clone();
        posts.spawn(async move {
            let outcome = post.deliver(&events).await;
            count_by(&post.metrics.webhook_events, outcome, events.len());
            drop(permit);
        });
    }
    posts.join_all().await;
}

/// The next batch; `None` when there will be none.
async fn gather(
    waiting: &mut mpsc::Receiver<Absent>,
    stopping: &CancellationToken,
) -> Option<Vec<Absent>> {
    let mut batch = Vec::with_capacity(BATCH);
    tokio::select! {
        biased;
        () = stopping.cancelled() => {
            waiting.close();
            let left = waiting.recv_many(&mut batch, BATCH).await;
            return (left > 0).then_some(batch);
        }
        first = waiting.recv() => batch.push(first?),
    }
    let full = Instant::now() + GATHER;
    while batch.len() < BATCH && !stopping.is_cancelled() {
        let left = BATCH - batch.len();
        match timeout_at(full, waiting.recv_many(&mut batch, left)).await {
            Ok(more) if more > 0 => {}
            _ => break,
        }
    }
    Some(batch)
}
