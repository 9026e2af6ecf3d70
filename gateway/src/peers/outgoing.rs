//! The links that this gateway has opened, one for each peer that it has something for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use chatcluster_runtime::tls::RoleConnector;
use gateway_core::{Gateway, Incarnation};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Item, PeerEvents, link};
use crate::metrics::Metrics;

/// Items that may wait for one peer: at 100,000 a second some 160 ms' worth, which is longer than a
/// healthy peer ever pauses. When full, outcomes are unknown, and the core keeps what it can.
const ITEMS: usize = 16_384;

/// Bytes that may wait for one peer, whatever the number of items.
const BYTES: usize = 32 << 20;

/// All links that this gateway has opened. Links end by themselves when they are idle.
pub struct Peers {
    events: Weak<dyn PeerEvents>,
    connector: RoleConnector,
    metrics: Metrics,
    links: Arc<Links>,
}

/// The open ends of the links' queues.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<Incarnation, Sender>>);

#[derive(Debug, Clone)]
struct Sender {
    items: mpsc::Sender<Item>,
    bytes: Arc<AtomicUsize>,
    dropped: CancellationToken,
}

/// The other end of a link's queue.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) items: mpsc::Receiver<Item>,
    bytes: Arc<AtomicUsize>,
}

/// The peer's queue is full. The item was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Peers {
    /// No links yet.
    pub fn new(events: Weak<dyn PeerEvents>, connector: RoleConnector, metrics: Metrics) -> Self {
        Self { events, connector, metrics, links: Arc::default() }
    }

    /// Queues an item for a gateway, and opens a link where there is none.
    ///
    /// # Errors
    /// When the peer's queue is full.
    pub fn send(&self, to: &Gateway, item: Item) -> Result<(), Full> {
        let size = item.size();
        let mut links = self.links.lock();
        let sender = links.entry(to.incarnation).or_insert_with(|| self.open(to));
        let waiting = sender.bytes.fetch_add(size, Ordering::Relaxed);
        if waiting + size > BYTES || sender.items.try_send(item).is_err() {
            sender.bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(Full);
        }
        Ok(())
    }

    /// Gives up the link to a gateway, with all that waits for it. The next item opens another.
    pub fn drop_link(&self, to: Incarnation) {
        if let Some(sender) = self.links.lock().remove(&to) {
            sender.dropped.cancel();
        }
    }

    fn open(&self, to: &Gateway) -> Sender {
        let (sender, receiver) = mpsc::channel(ITEMS);
        let (bytes, dropped) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let link = link::Link {
            to: to.clone(),
            events: self.events.clone(),
            connector: self.connector.clone(),
            metrics: self.metrics.clone(),
            queue: Receiver { items: receiver, bytes: bytes.clone() },
            links: self.links.clone(),
            dropped: dropped.clone(),
        };
        tokio::spawn(link.run());
        Sender { items: sender, bytes, dropped }
    }
}

impl Links {
    fn lock(&self) -> MutexGuard<'_, HashMap<Incarnation, Sender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a link if nothing waits for it; says whether it did. Items are queued under the same lock,
    /// so none is left behind.
    pub(super) fn end(&self, to: Incarnation, queue: &Receiver) -> bool {
        let mut links = self.lock();
        let empty = queue.items.is_empty();
        if empty {
            Self::remove(&mut links, to, queue);
        }
        empty
    }

    /// Ends a link, with all that waits for it.
    pub(super) fn forget(&self, to: Incarnation, queue: &Receiver) {
        Self::remove(&mut self.lock(), to, queue);
    }

    /// A link that was given up must not take along the one that came after it.
    fn remove(links: &mut HashMap<Incarnation, Sender>, to: Incarnation, queue: &Receiver) {
        if links.get(&to).is_some_and(|sender| Arc::ptr_eq(&sender.bytes, &queue.bytes)) {
            links.remove(&to);
        }
    }
}

impl Receiver {
    /// Waits for items and takes all that are there, up to `most`.
    pub(super) async fn take(&mut self, items: &mut Vec<Item>, most: usize) {
        self.items.recv_many(items, most).await;
        let size = items.iter().map(Item::size).sum();
        self.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    /// Drops all that waits.
    pub(super) fn clear(&mut self) {
        while let Ok(item) = self.items.try_recv() {
            self.bytes.fetch_sub(item.size(), Ordering::Relaxed);
        }
    }
}
