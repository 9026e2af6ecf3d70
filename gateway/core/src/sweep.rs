//! A walk over all sessions, spread evenly over a time, so that what one event makes all of them do
//! does not fall on the services behind at once.

use std::time::Duration;

use crate::{Device, Local, Locals};

/// One walk. Sessions that open behind it are not visited: they have just read their inbox.
#[derive(Debug)]
pub(crate) struct Sweep {
    start: Duration,
    spread: Duration,
    /// Fewest sessions of a step, except for the last.
    batch: usize,
    cursor: Option<Device>,
    visited: usize,
    over: bool,
}

impl Sweep {
    pub(crate) fn new(start: Duration, spread: Duration, batch: usize) -> Self {
        Self { start, spread, batch, cursor: None, visited: 0, over: false }
    }

    /// The sessions whose turn it is.
    pub(crate) fn due(&mut self, now: Duration, locals: &Locals) -> Vec<(Device, Local)> {
        let elapsed = now.saturating_sub(self.start).min(self.spread);
        let share = elapsed.as_millis() as u64 * locals.len() as u64;
        let target = (share / (self.spread.as_millis() as u64).max(1)) as usize;
        let ends = elapsed == self.spread;
        let owed = if ends { usize::MAX } else { target.saturating_sub(self.visited) };
        if self.over || owed < self.batch {
            return Vec::new();
        }
        let due: Vec<_> = locals
            .after(self.cursor.as_ref())
            .take(owed)
            .map(|(device, local)| (device.clone(), local))
            .collect();
        self.visited += due.len();
        self.over = ends;
        if let Some((last, _)) = due.last() {
            self.cursor = Some(last.clone());
        }
        due
    }

    /// Everyone has been visited.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{claimed, device};

    #[test]
    fn everyone_is_visited_once_and_evenly() {
        let mut locals = Locals::default();
        for n in 0..100 {
            locals.hold(device(&format!("user{n:03}"), "phone"), claimed(n, 1));
        }
        let mut sweep = Sweep::new(Duration::from_secs(5), Duration::from_secs(10), 10);
        let mut steps = Vec::new();
        let mut visited = Vec::new();
        for second in 5..=15 {
            let due = sweep.due(Duration::from_secs(second), &locals);
            steps.push(due.len());
            visited.extend(due.into_iter().map(|(_, local)| local.connection.0));
        }
        assert_eq!(steps, [0, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]);
        assert_eq!(visited, Vec::from_iter(0..100));
        assert!(sweep.is_over() && sweep.due(Duration::from_secs(99), &locals).is_empty());
    }

    #[test]
    fn few_sessions_are_visited_together_at_the_end() {
        let mut locals = Locals::default();
        locals.hold(device("alice", "phone"), claimed(1, 1));
        let mut sweep = Sweep::new(Duration::ZERO, Duration::from_secs(10), 1_000);
        assert!(sweep.due(Duration::from_secs(9), &locals).is_empty());
        assert_eq!(sweep.due(Duration::from_secs(10), &locals).len(), 1);
    }
}
