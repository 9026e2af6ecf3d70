//! Is the other side still there? When to ask, and when to give up.

use std::time::Duration;

/// How long an answer to a `ping` may take (the protocol's 10 s).
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a heartbeat from a gateway is held within: below, pings would be a flood; above, a dead
/// connection would stay unnoticed for too long.
const SANE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// The heartbeat of one connection. Times are those of the client's own clock.
#[derive(Debug)]
pub(super) struct Heartbeat {
    every: Duration,
    sent: Duration,
    heard: Duration,
    /// When the ping left that nothing was heard after.
    asked: Option<Duration>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    Wait,
    /// Send a `ping`.
    Ask,
    /// The connection is half-open: nothing came in time.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(every_millis: u64, now: Duration) -> Self {
        let every = Duration::from_millis(every_millis).clamp(*SANE.start(), *SANE.end());
        Self { every, sent: now, heard: now, asked: None }
    }

    pub(super) fn sent(&mut self, now: Duration) {
        self.sent = now;
    }

    /// Anything from the other side is a sign of life.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.asked = None;
    }

    pub(super) fn asked(&mut self, now: Duration) {
        self.sent = now;
        self.asked.get_or_insert(now);
    }

    /// When [`Self::beat`] has something to say at the latest.
    pub(super) fn deadline(&self) -> Duration {
        match self.asked {
            Some(asked) => asked + ANSWER_WITHIN,
            // A client that only sends (acks have no answers) must also notice a dead connection, so
            // silence of either direction is a reason to ask.
            None => self.sent.min(self.heard) + self.every,
        }
    }

    pub(super) fn beat(&self, now: Duration) -> Beat {
        match (now >= self.deadline(), self.asked) {
            (false, _) => Beat::Wait,
            (true, None) => Beat::Ask,
            (true, Some(_)) => Beat::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_asks_once_a_heartbeat() {
        let mut heartbeat = Heartbeat::new(25_000, s(0));
        heartbeat.heard(s(24));
        assert_eq!(heartbeat.beat(s(24)), Beat::Wait);
        assert_eq!(heartbeat.beat(s(25)), Beat::Ask);
        heartbeat.asked(s(25));
        assert_eq!(heartbeat.beat(s(25)), Beat::Wait);
        heartbeat.heard(s(26));
        assert_eq!(heartbeat.deadline(), s(50));
    }

    #[test]
    fn a_client_that_only_sends_asks_too_and_finds_the_dead_connection() {
        let mut heartbeat = Heartbeat::new(25_000, s(0));
        for at in 0..25 {
            heartbeat.sent(s(at));
        }
        assert_eq!(heartbeat.beat(s(25)), Beat::Ask);
        heartbeat.asked(s(25));
        heartbeat.sent(s(30));
        assert_eq!(heartbeat.beat(s(34)), Beat::Wait);
        assert_eq!(heartbeat.beat(s(35)), Beat::Dead);
    }

    #[test]
    fn an_absurd_heartbeat_neither_floods_nor_sleeps() {
        assert_eq!(Heartbeat::new(0, s(0)).deadline(), s(1));
        assert_eq!(Heartbeat::new(u64::MAX, s(0)).deadline(), s(300));
    }
}
