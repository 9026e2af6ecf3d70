//! The load of a room: one member tells all, again and again.
//!
//! It has [`IN_FLIGHT`] messages on their way at any time, and sends the next when one has reached every
//! member. So a server is never idle, and never has more to do than the others have.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::sleep};

use crate::server::Server;

/// Members of the room.
pub(super) const MEMBERS: usize = 100;
/// Messages on their way.
const IN_FLIGHT: u64 = 50;
/// Bytes of a message's body.
const BODY: usize = 128;
/// Stands once in each body, and nowhere else in what a server sends.
pub(super) const MARK: u8 = b'#';
const WARM_UP: Duration = Duration::from_secs(1);
const LASTING: Duration = Duration::from_secs(3);

/// What has been delivered, to all of them together.
pub(super) struct Room {
    receivers: u64,
    delivered: AtomicU64,
    progress: Notify,
}

impl Room {
    /// So many of the members receive what one sends.
    pub(super) fn new(receivers: usize) -> Self {
        Self { receivers: receivers as u64, delivered: AtomicU64::new(0), progress: Notify::new() }
    }

    /// A member has received so many more.
    pub(super) fn received(&self, count: u64) {
        let before = self.delivered.fetch_add(count, Ordering::Relaxed);
        if before / self.receivers < (before + count) / self.receivers {
            self.progress.notify_one();
        }
    }

    /// How many may be sent after so many, at least one.
    pub(super) async fn may_send(&self, sent: u64) -> u64 {
        loop {
            let free = (self.delivered() / self.receivers + IN_FLIGHT).saturating_sub(sent);
            if free > 0 {
                return free;
            }
            self.progress.notified().await;
        }
    }

    fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Looks while the members are at it, and returns the CPU seconds of each server for each delivery.
    pub(super) async fn cost(&self, servers: &[&Server]) -> anyhow::Result<Vec<f64>> {
        sleep(WARM_UP).await;
        let used = || servers.iter().map(|server| server.cpu()).collect::<anyhow::Result<Vec<_>>>();
        let (delivered, cpu) = (self.delivered(), used()?);
        sleep(LASTING).await;
        let delivered = self.delivered() - delivered;
        anyhow::ensure!(delivered > 0, "nothing was delivered");
        Ok(used()?.iter().zip(cpu).map(|(now, then)| (now - then) / delivered as f64).collect())
    }
}

/// What each message says.
pub(super) fn body() -> String {
    format!("{}{}", char::from(MARK), "x".repeat(BODY - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_is_sent_when_one_has_reached_everybody() {
        let room = Room::new(MEMBERS);
        assert_eq!(room.may_send(0).await, IN_FLIGHT);
        room.received(MEMBERS as u64 - 1);
        let waits = tokio::time::timeout(Duration::from_millis(10), room.may_send(IN_FLIGHT));
        assert!(waits.await.is_err());
        room.received(2 * MEMBERS as u64 + 1);
        assert_eq!(room.may_send(IN_FLIGHT).await, 3);
    }
}
