//! One other gateway: what it has not confirmed, and when it is tried again.

use std::{collections::VecDeque, time::Duration};

use super::Leg;
use crate::{Gateway, Push, backoff::Backoff};

/// Most deliveries that wait for a gateway, and most bytes of their text, which counts once for devices
/// that follow each other: a message to a group has a thousand of them. When there are more, all of them are
/// dropped and the gateway probes its sessions instead.
const WAITING: usize = 4_096;
const WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Most deliveries that are sent to one gateway and have no outcome. It bounds the link's queue.
const FLYING: usize = 4_096;

/// Most targets in one delivery. At 230 bytes each, with the largest push they fit a peer frame.
pub(super) const BATCH: usize = 256;

/// First and longest wait before a gateway is tried again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));

/// A gateway to which something was sent.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) gateway: Gateway,
    /// Deliveries sent and without an outcome.
    pub(super) flying: usize,
    waiting: VecDeque<(Push, Leg)>,
    waiting_bytes: usize,
    /// When it is tried again; until then nothing is sent.
    pub(super) retry: Option<Duration>,
    backoff: Backoff,
    pub(super) probe: Probe,
}

/// Whether the gateway has to probe all its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// Nothing was dropped.
    No,
    /// Something was; it will be told.
    Due,
    /// It was told at this time, and has not answered.
    Asked(Duration),
}

impl Probe {
    /// When it was told, if it has not answered.
    pub(super) fn asked(self) -> Option<Duration> {
        if let Self::Asked(sent) = self { Some(sent) } else { None }
    }
}

impl Peer {
    pub(super) fn new(gateway: Gateway) -> Self {
        Self {
            gateway,
            flying: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            retry: None,
            backoff: BACKOFF,
            probe: Probe::No,
        }
    }

    /// Whether something may be sent now.
    pub(super) fn is_open(&self) -> bool {
        self.retry.is_none() && self.flying < FLYING
    }

    /// Keeps a delivery for the next attempt. Says how many were dropped for the probe instead.
    pub(super) fn wait(&mut self, push: Push, leg: Leg) -> usize {
        if self.probe == Probe::Due {
            return 1;
        }
        if !self.waiting.back().is_some_and(|(last, _)| is_same(last, &push)) {
            self.waiting_bytes += push.frame.len();
        }
        self.waiting.push_back((push, leg));
        if self.waiting.len() <= WAITING && self.waiting_bytes <= WAITING_BYTES {
            return 0;
        }
        self.probe = Probe::Due;
        self.retry.get_or_insert(Duration::ZERO);
        self.take_waiting().len()
    }

    /// The next deliveries of one push that may be sent now.
    pub(super) fn next_batch(&mut self) -> Option<(Push, Vec<Leg>)> {
        if !self.is_open() {
            return None;
        }
        let (push, leg) = self.pop()?;
        let mut legs = vec![leg];
        let same = |(next, _): &(Push, Leg)| is_same(next, &push);
        let room = BATCH.min(FLYING - self.flying);
        while legs.len() < room && self.waiting.front().is_some_and(same) {
            legs.extend(self.pop().map(|(_, leg)| leg));
        }
        self.flying += legs.len();
        Some((push, legs))
    }

    /// Takes all that waits.
    pub(super) fn take_waiting(&mut self) -> VecDeque<(Push, Leg)> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// The gateway could not be reached.
    pub(super) fn lost(&mut self, now: Duration) {
        self.retry = Some(now + self.backoff.next());
        if self.probe != Probe::No {
            self.probe = Probe::Due;
        }
    }

    /// The gateway has answered.
    pub(super) fn heard(&mut self) {
        self.backoff = BACKOFF;
    }

    /// How many deliveries wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing is known of it that would be missed.
    pub(super) fn is_idle(&self) -> bool {
        self.flying == 0
            && self.waiting.is_empty()
            && self.retry.is_none()
            && self.probe == Probe::No
    }

    fn pop(&mut self) -> Option<(Push, Leg)> {
        let (push, leg) = self.waiting.pop_front()?;
        if !self.waiting.front().is_some_and(|(next, _)| is_same(next, &push)) {
            self.waiting_bytes -= push.frame.len();
        }
        Some((push, leg))
    }
}

fn is_same(one: &Push, other: &Push) -> bool {
    one.id == other.id && one.receipt == other.receipt
}
