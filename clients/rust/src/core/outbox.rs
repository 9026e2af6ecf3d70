//! What goes out: sends in the order of the application, each until it has an answer.

use std::{collections::VecDeque, time::Duration};

use chatcluster_protocol::{
    client::{Recipient, RequestId},
    id::Reference,
};

use super::Outgoing;

/// Sends without an answer, in order. Order matters within a recipient only, so a recipient that has
/// to wait holds nobody else up.
#[derive(Debug)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    capacity: usize,
    in_flight: usize,
    /// The gateway takes nothing more of this user until then, whoever it is for.
    paused_until: Duration,
}

/// One send.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) send: Outgoing,
    /// Temporary failures so far.
    failures: u32,
    /// When it first left, which starts the lifetime of its reference.
    first_left: Option<Duration>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be written, not before this time.
    Waiting { not_before: Duration },
    /// Written on the connection that is open now, under this request.
    InFlight { id: RequestId, since: Duration },
}

/// Why a send was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    Full,
    /// Another send of this reference has no answer yet.
    InUse,
}

impl Entry {
    pub(super) fn new(send: Outgoing) -> Self {
        let state = State::Waiting { not_before: Duration::ZERO };
        Self { send, failures: 0, first_left: None, state }
    }
}

impl Outbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, in_flight: 0, paused_until: Duration::ZERO }
    }

    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < self.capacity
    }

    pub(super) fn push(&mut self, entry: Entry) -> Result<(), Rejected> {
        if self.position(&entry.send.reference).is_some() {
            return Err(Rejected::InUse);
        }
        if !self.has_room() {
            return Err(Rejected::Full);
        }
        self.entries.push_back(entry);
        Ok(())
    }

    /// Marks the next send that may be written as in flight, and returns it.
    pub(super) fn next(&mut self, now: Duration, id: RequestId, window: usize) -> Option<&Entry> {
        if self.in_flight >= window.max(1) || now < self.paused_until {
            return None;
        }
        let index = self.ready(now)?;
        self.in_flight += 1;
        let entry = &mut self.entries[index];
        entry.first_left.get_or_insert(now);
        entry.state = State::InFlight { id, since: now };
        Some(entry)
    }

    fn ready(&self, now: Duration) -> Option<usize> {
        let mut held: Vec<&Recipient> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let State::Waiting { not_before } = entry.state else { continue };
            // A send that failed goes again only when those after it have their answers too: they
            // fail with it, and then all go again in order.
            let overtaken = entry.failures > 0 && self.in_flight_after(index);
            if held.contains(&&entry.send.to) {
                continue;
            }
            if not_before <= now && !overtaken {
                return Some(index);
            }
            held.push(&entry.send.to);
        }
        None
    }

    /// Whether a later send to the same recipient is in flight.
    fn in_flight_after(&self, index: usize) -> bool {
        let to = &self.entries[index].send.to;
        let mut later = self.entries.range(index + 1..);
        later.any(|e| e.send.to == *to && matches!(e.state, State::InFlight { .. }))
    }

    /// The reference of the request, if it is a send that was written on this connection.
    pub(super) fn reference_of(&self, request: RequestId) -> Option<&Reference> {
        let is =
            |entry: &&Entry| matches!(entry.state, State::InFlight { id, .. } if id == request);
        self.entries.iter().find(is).map(|entry| &entry.send.reference)
    }

    /// Temporary failures of this send so far; `None` if it is not in flight.
    pub(super) fn failures_in_flight(&self, reference: &Reference) -> Option<u32> {
        let entry = &self.entries[self.position(reference)?];
        matches!(entry.state, State::InFlight { .. }).then_some(entry.failures)
    }

    /// The send has its answer. False if it was not waited for.
    pub(super) fn remove(&mut self, reference: &Reference) -> bool {
        let Some(entry) = self.position(reference).and_then(|index| self.entries.remove(index))
        else {
            return false;
        };
        self.in_flight -= usize::from(matches!(entry.state, State::InFlight { .. }));
        true
    }

    /// The send failed and may succeed later: again, not before this time.
    pub(super) fn again(&mut self, reference: &Reference, not_before: Duration) {
        let Some(index) = self.position(reference) else { return };
        let entry = &mut self.entries[index];
        if matches!(entry.state, State::InFlight { .. }) {
            self.in_flight -= 1;
            entry.failures += 1;
            entry.state = State::Waiting { not_before };
        }
    }

    /// Nothing leaves before this time.
    pub(super) fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }

    /// The connection ended: what was in flight has an unknown outcome and goes again, in order.
    pub(super) fn disconnected(&mut self) {
        self.in_flight = 0;
        self.paused_until = Duration::ZERO;
        for entry in &mut self.entries {
            if matches!(entry.state, State::InFlight { .. }) {
                entry.state = State::Waiting { not_before: Duration::ZERO };
            }
        }
    }

    /// A send whose reference the servers may have forgotten: sending it again could make a second
    /// message.
    pub(super) fn expired(&self, now: Duration, lifetime: Duration) -> Option<Reference> {
        let old =
            |e: &&Entry| e.first_left.is_some_and(|left| now.saturating_sub(left) >= lifetime);
        self.entries.iter().find(old).map(|entry| entry.send.reference.clone())
    }

    /// When the oldest send in flight was written.
    pub(super) fn oldest_in_flight(&self) -> Option<Duration> {
        let since = |entry: &Entry| match entry.state {
            State::InFlight { since, .. } => Some(since),
            State::Waiting { .. } => None,
        };
        self.entries.iter().filter_map(since).min()
    }

    /// When the next send that waits for a time may go.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let at = |entry: &Entry| match entry.state {
            State::Waiting { not_before } => Some(not_before.max(self.paused_until)),
            State::InFlight { .. } => None,
        };
        self.entries.iter().filter_map(at).filter(|at| *at > now).min()
    }

    /// Takes everything out, for the end of the client.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Reference> {
        self.in_flight = 0;
        self.entries.drain(..).map(|entry| entry.send.reference)
    }

    fn position(&self, reference: &Reference) -> Option<usize> {
        self.entries.iter().position(|entry| entry.send.reference == *reference)
    }
}
