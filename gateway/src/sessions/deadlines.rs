//! When sessions want to be given their time: one wheel for all of them. A timer for each would take
//! more memory than all that an idle session has to say about time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gateway_core::ConnectionId;

/// Sessions' deadlines are counted in seconds; this much late is in time.
const STEP: Duration = Duration::from_millis(100);

/// Steps of the wheel: a minute, which is longer than a heartbeat. Whoever is due later is woken once
/// in between.
const STEPS: u64 = 600;

/// Who is to be woken when, by connection.
#[derive(Debug, Default)]
pub struct Deadlines(Mutex<Wheel>);

#[derive(Debug)]
struct Wheel {
    /// The step that is looked at next.
    next: u64,
    /// Of `next` and the steps after it, each at its number modulo their count. A slot keeps no memory.
    slots: Vec<Vec<ConnectionId>>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { next: 0, slots: vec![Vec::new(); STEPS as usize] }
    }
}

impl Wheel {
    fn slot(&mut self, step: u64) -> &mut Vec<ConnectionId> {
        &mut self.slots[(step % STEPS) as usize]
    }
}

impl Deadlines {
    /// Has a connection woken at a monotonic time, and says when exactly: a little later, or much earlier
    /// where that is far away. What was said before stays.
    pub fn wake(&self, connection: ConnectionId, at: Duration) -> Duration {
        let mut wheel = self.lock();
        let step = at.as_millis().div_ceil(STEP.as_millis()) as u64;
        let step = step.clamp(wheel.next, wheel.next + STEPS - 1);
        wheel.slot(step).push(connection);
        STEP.saturating_mul(step as u32)
    }

    /// Takes out whoever is due. Wanted every [`STEP`] or so.
    pub fn due(&self, now: Duration) -> Vec<ConnectionId> {
        let mut wheel = self.lock();
        let last = (now.as_millis() / STEP.as_millis()) as u64;
        let mut due = Vec::new();
        // After a long pause one turn of the wheel has everybody.
        for step in (wheel.next..=last).take(STEPS as usize) {
            due.append(&mut std::mem::take(wheel.slot(step)));
        }
        wheel.next = wheel.next.max(last + 1);
        due
    }

    fn lock(&self) -> MutexGuard<'_, Wheel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn everyone_is_woken_once_and_not_too_early() {
        let deadlines = Deadlines::default();
        let mut promised = Vec::new();
        for n in 0..500 {
            let at = Duration::from_millis(n * 37);
            let when = deadlines.wake(ConnectionId(n), at);
            assert!(when >= at && when < at + STEP);
            promised.push(when);
        }
        let mut woken = 0;
        for now in 0..200 {
            let now = STEP * now;
            for connection in deadlines.due(now) {
                assert_eq!(promised[connection.0 as usize], now);
                woken += 1;
            }
        }
        assert_eq!(woken, 500);
    }

    #[test]
    fn the_past_is_due_at_the_next_look_and_a_far_future_within_a_minute() {
        let deadlines = Deadlines::default();
        deadlines.due(100 * SECOND);
        let soon = deadlines.wake(ConnectionId(1), SECOND);
        assert_eq!(deadlines.due(soon), [ConnectionId(1)]);
        let when = deadlines.wake(ConnectionId(2), 5000 * SECOND);
        assert!(when <= soon + 60 * SECOND);
        // Nobody looked for a long time.
        assert_eq!(deadlines.due(900 * SECOND), [ConnectionId(2)]);
        assert!(deadlines.due(2000 * SECOND).is_empty());
    }
}
