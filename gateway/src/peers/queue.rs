//! What waits for one peer: encoded frames, one behind the other, so that a link takes all that is there
//! at once and writes it as it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;

use super::Item;

/// Items that may wait for one peer: at 100,000 a second some 160 ms' worth, which is longer than a
/// healthy peer ever pauses. When full, outcomes are unknown, and the core keeps what it can.
const ITEMS: usize = 16_384;

/// No more items when this many bytes wait for one peer, whatever the number of items.
const BYTES: usize = 32 << 20;

/// That somebody is typing waits behind this many items at most: it must not take the place of others.
const TYPING_ITEMS: usize = 1_024;

/// A queue, shared by those who send and by its link.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Of the link, when the first item comes.
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: BytesMut,
    items: usize,
}

/// The item was not sent: the peer's queue is full, or no frame holds the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Queue {
    /// Adds an item.
    pub(super) fn push(&self, item: &Item<'_>) -> Result<(), Full> {
        let mut waiting = self.lock();
        let most = if let Item::Typing { .. } = item { TYPING_ITEMS } else { ITEMS };
        if waiting.items >= most || waiting.frames.len() >= BYTES {
            return Err(Full);
        }
        item.encode(&mut waiting.frames).map_err(|_| Full)?;
        waiting.items += 1;
        let first = waiting.items == 1;
        drop(waiting);
        if first {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for items, and swaps all of them for the empty `frames`. Cancelling loses nothing.
    pub(super) async fn take(&self, frames: &mut BytesMut) {
        loop {
            {
                let mut waiting = self.lock();
                if waiting.items > 0 {
                    std::mem::swap(&mut waiting.frames, frames);
                    waiting.items = 0;
                    return;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().items == 0
    }

    /// Drops all that waits.
    pub(super) fn clear(&self) {
        *self.lock() = Waiting::default();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chatcluster_protocol::peer::decode;

    use super::*;

    #[tokio::test]
    async fn what_waits_is_taken_at_once_and_in_order() {
        let queue = Queue::default();
        let mut frames = BytesMut::new();
        let nothing = tokio::time::timeout(Duration::ZERO, queue.take(&mut frames)).await;
        assert!(nothing.is_err() && queue.is_empty());
        for sequence in 1..=3 {
            queue.push(&Item::Probe { sequence }).unwrap();
        }
        queue.take(&mut frames).await;
        assert!(queue.is_empty());
        for sequence in 1..=3 {
            let mut expected = BytesMut::new();
            Item::Probe { sequence }.encode(&mut expected).unwrap();
            assert_eq!(decode(&mut frames), decode(&mut expected));
        }
        assert!(frames.is_empty());
    }

    #[tokio::test]
    async fn the_number_of_items_is_bounded_until_they_are_taken() {
        let queue = Queue::default();
        let item = Item::Probe { sequence: 1 };
        for _ in 0..ITEMS {
            queue.push(&item).unwrap();
        }
        assert_eq!(queue.push(&item), Err(Full));
        queue.take(&mut BytesMut::new()).await;
        queue.push(&item).unwrap();
        queue.clear();
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn typing_takes_the_place_of_nothing_else() {
        let queue = Queue::default();
        let typing = Item::Typing { at: 1, frame: &Bytes::from_static(b"{}"), targets: &[] };
        let typed = (0..ITEMS).take_while(|_| queue.push(&typing).is_ok()).count();
        assert_eq!(typed, TYPING_ITEMS);
        for sequence in typed..ITEMS {
            queue.push(&Item::Probe { sequence: sequence as u64 }).unwrap();
        }
    }
}
