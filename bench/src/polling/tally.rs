//! What has come, how long it took, and what it took on the wire.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::{sync::Notify, time::Instant};

use super::{LASTING, LATE, MESSAGES};

/// Bytes of a message's body: a short sentence.
const BODY: usize = 64;

/// Of one round, shared by its receivers.
pub(super) struct Tally {
    start: Instant,
    /// In nanoseconds.
    latencies: Mutex<Histogram<u64>>,
    all: Notify,
    bytes: Arc<AtomicU64>,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Self> {
        let longest = (LASTING + LATE).as_nanos() as u64;
        let latencies = Mutex::new(Histogram::new_with_bounds(1000, longest, 3)?);
        Ok(Self { start: Instant::now(), latencies, all: Notify::new(), bytes: Arc::default() })
    }

    /// The body of a message that is due at `due`: it says so.
    pub(super) fn body(&self, due: Instant) -> String {
        let stamp = due.saturating_duration_since(self.start).as_nanos();
        format!("{stamp:x<BODY$}")
    }

    /// A message has come just now.
    pub(super) fn received(&self, body: &str) -> anyhow::Result<()> {
        let stamp = body.trim_end_matches('x').parse().context("a body without a stamp")?;
        let due = self.start + Duration::from_nanos(stamp);
        let mut latencies = self.latencies();
        latencies.saturating_record(due.elapsed().as_nanos() as u64);
        if latencies.len() >= MESSAGES as u64 {
            self.all.notify_one();
        }
        Ok(())
    }

    /// Waits until all messages of the round have come.
    pub(super) async fn complete(&self) {
        while self.missing() > 0 {
            self.all.notified().await;
        }
    }

    pub(super) fn missing(&self) -> u64 {
        (MESSAGES as u64).saturating_sub(self.latencies().len())
    }

    pub(super) fn latencies(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Through all sockets so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What sockets count on.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_tells_when_it_was_due() {
        let tally = Tally::new().unwrap();
        let body = tally.body(Instant::now() - Duration::from_millis(5));
        assert_eq!(body.len(), BODY);
        tally.received(&tally.body(tally.start)).unwrap();
        assert_eq!(tally.missing(), MESSAGES as u64 - 1);
        tally.received("nothing").unwrap_err();
    }
}
