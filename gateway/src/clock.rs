//! The two clocks, read for the machines of the core, which have none.

use std::time::{SystemTime, UNIX_EPOCH};

use gateway_core::Now;
use tokio::time::Instant;

/// Reads the clocks. Monotonic time counts from its making.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks, as of now.
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic: self.start.elapsed(), wall: wall.as_millis() as u64 }
    }

    /// The instant of a monotonic time.
    pub fn instant(&self, monotonic: std::time::Duration) -> Instant {
        self.start + monotonic
    }
}
