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
        if waiting.items >= ITEMS || waiting.frames.len() >= BYTES {
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
