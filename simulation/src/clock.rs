//! Time: the world's own, and what each process takes for it.

use std::time::Duration;

use chatcluster_protocol::Millis;
use gateway_core::Now;

/// The world's time since its start, in microseconds.
pub(crate) type Time = u64;

/// A millisecond.
pub(crate) const MS: Time = 1_000;

/// A second.
pub(crate) const S: Time = 1_000 * MS;

/// The wall clock at the world's start.
pub(crate) const START: Millis = 1_700_000_000_000;

/// A process's two clocks. The monotonic one drifts; the wall clock drifts along and also jumps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Time,
    /// Parts in a million that it runs too fast.
    drift: i64,
    /// Milliseconds that the wall clock is ahead.
    pub(crate) ahead: i64,
}

impl Clock {
    pub(crate) fn new(started: Time, drift: i64, ahead: i64) -> Self {
        Self { started, drift, ahead }
    }

    /// The clock of the next life of a process on the same machine.
    pub(crate) fn restarted(self, now: Time) -> Self {
        Self { started: now, ..self }
    }

    pub(crate) fn now(&self, now: Time) -> Now {
        let passed = now.saturating_sub(self.started);
        Now { monotonic: Duration::from_micros(self.drifted(passed)), wall: self.wall(now) }
    }

    pub(crate) fn wall(&self, now: Time) -> Millis {
        let wall = START + self.drifted(now) / MS;
        wall.saturating_add_signed(self.ahead)
    }

    fn drifted(&self, passed: Time) -> Time {
        passed.saturating_add_signed(passed as i64 * self.drift / 1_000_000)
    }
}
