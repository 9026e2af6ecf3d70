//! The links that this gateway has opened, one for each peer that it has something for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use chatcluster_runtime::tls::RoleConnector;
use gateway_core::{Gateway, Incarnation};
use tokio_util::sync::CancellationToken;

use super::{
    Item, PeerEvents, link,
    queue::{Full, Queue},
};
use crate::metrics::Metrics;

/// All links that this gateway has opened. Links end by themselves when they are idle.
pub struct Peers {
    events: Weak<dyn PeerEvents>,
    connector: RoleConnector,
    metrics: Metrics,
    links: Arc<Links>,
}

/// The links' queues.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<Incarnation, Sender>>);

#[derive(Debug)]
struct Sender {
    queue: Arc<Queue>,
    dropped: CancellationToken,
}

impl Peers {
    /// No links yet.
    pub fn new(events: Weak<dyn PeerEvents>, connector: RoleConnector, metrics: Metrics) -> Self {
        Self { events, connector, metrics, links: Arc::default() }
    }

    /// Queues an item for a gateway, and opens a link where there is none.
    ///
    /// # Errors
    /// When the peer's queue is full.
    pub fn send(&self, to: &Gateway, item: Item<'_>) -> Result<(), Full> {
        let mut links = self.links.lock();
        links.entry(to.incarnation).or_insert_with(|| self.open(to)).queue.push(&item)
    }

    /// Gives up the link to a gateway, with all that waits for it. The next item opens another.
    pub fn drop_link(&self, to: Incarnation) {
        if let Some(sender) = self.links.lock().remove(&to) {
            sender.dropped.cancel();
        }
    }

    fn open(&self, to: &Gateway) -> Sender {
        let (queue, dropped) = (Arc::<Queue>::default(), CancellationToken::new());
        let link = link::Link {
            to: to.clone(),
            events: self.events.clone(),
            connector: self.connector.clone(),
            metrics: self.metrics.clone(),
            queue: queue.clone(),
            links: self.links.clone(),
            dropped: dropped.clone(),
        };
        tokio::spawn(link.run());
        Sender { queue, dropped }
    }
}

impl Links {
    fn lock(&self) -> MutexGuard<'_, HashMap<Incarnation, Sender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a link if nothing waits for it; says whether it did. Items are queued under the same lock,
    /// so none is left behind.
    pub(super) fn end(&self, to: Incarnation, queue: &Arc<Queue>) -> bool {
        let mut links = self.lock();
        let empty = queue.is_empty();
        if empty {
            Self::remove(&mut links, to, queue);
        }
        empty
    }

    /// Ends a link, with all that waits for it.
    pub(super) fn forget(&self, to: Incarnation, queue: &Arc<Queue>) {
        Self::remove(&mut self.lock(), to, queue);
    }

    /// A link that was given up must not take along the one that came after it.
    fn remove(links: &mut HashMap<Incarnation, Sender>, to: Incarnation, queue: &Arc<Queue>) {
        if links.get(&to).is_some_and(|sender| Arc::ptr_eq(&sender.queue, queue)) {
            links.remove(&to);
        }
    }
}
