//! Tells the message service that the devices held here are in use: a device that nobody has seen for long
//! is removed, and a connection may last for months. One per gateway.
//!
//! A device that turns out to be removed is not made known again. Its client would never learn that it has
//! missed what was sent in between; so its session ends, and its next `welcome` says that it is new.

use std::{collections::BTreeMap, time::Duration};

use chatcluster_protocol::Millis;

use crate::{Away, ConnectionId, Device, Locals, Now, sweep::Sweep};

/// Most devices of one call.
const BATCH: usize = 1_000;

/// How often each device is told of. A session that opens behind the walk waits for the next one, so a
/// device that is connected has been seen within twice as long, and an hour that the service adds: far less
/// than the day after which devices may expire at the earliest.
const PERIOD: Duration = Duration::from_secs(3 * 3600);

/// Over how long the walk is spread that follows missed revocations.
const CHECK_SPREAD: Duration = Duration::from_secs(300);

/// How soon a call that failed is repeated, until the next walk takes its place.
const RETRY: Duration = Duration::from_secs(60);

/// What the shell does for the registrar, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// These devices are in use; which of them are not known? Answered by [`Registrar::seen`].
    Seen {
        /// Names the call.
        call: u64,
        /// The devices, at most 1,000.
        devices: Vec<Device>,
    },
    /// The session's device is not known any more: [`crate::session::Input::Removed`].
    Removed(ConnectionId),
    /// Tokens of the session's device were revoked: [`crate::session::Input::Revoked`].
    Revoked(ConnectionId, Millis),
}

/// What the service knows of the devices of a call, by their positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// These are not known.
    pub unknown: Vec<u32>,
    /// Of these tokens were revoked, that were issued before this.
    pub revoked: Vec<(u32, Millis)>,
}

/// Walks over all sessions, every 3 hours.
#[derive(Debug)]
pub struct Registrar {
    period: Sweep,
    /// A walk in between, since revocations may have been missed.
    check: Option<Sweep>,
    /// Without an answer, or waiting to be repeated. At most a thousandth of the sessions.
    calls: BTreeMap<u64, Call>,
    next: u64,
}

#[derive(Debug)]
struct Call {
    held: Vec<(Device, ConnectionId)>,
    /// When it is repeated, if it failed.
    retry: Option<Duration>,
}

impl Registrar {
    /// A gateway starts.
    pub fn new(now: Now) -> Self {
        let period = Sweep::new(now.monotonic, PERIOD, BATCH);
        Self { period, check: None, calls: BTreeMap::new(), next: 0 }
    }

    /// Revocations may have been missed: all sessions are asked about, spread over 5 minutes.
    pub fn check_all(&mut self, now: Now) {
        self.check = Some(Sweep::new(now.monotonic, CHECK_SPREAD, BATCH));
    }

    /// Answers [`Effect::Seen`].
    pub fn seen(
        &mut self,
        now: Now,
        call: u64,
        seen: Result<Seen, Away>,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut asked) = self.calls.remove(&call) else { return };
        match seen {
            Ok(Seen { unknown, revoked }) => {
                // One that has come back since has asked by itself.
                let still = |at: u32| {
                    let (device, connection) = asked.held.get(at as usize)?;
                    let mut open = locals.of(device).map(|local| local.connection);
                    open.find(|open| open == connection)
                };
                let removed = unknown.into_iter().filter_map(still).map(Effect::Removed);
                effects.extend(removed);
                let revoked = revoked.into_iter();
                effects.extend(
                    revoked.filter_map(|(at, before)| Some(Effect::Revoked(still(at)?, before))),
                );
            }
            Err(Away) => {
                asked.retry = Some(now.monotonic + RETRY);
                self.calls.insert(call, asked);
            }
        }
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, locals: &Locals, effects: &mut Vec<Effect>) {
        let at = now.monotonic;
        let mut due: Vec<_> = self.period.due(at, locals);
        if let Some(check) = &mut self.check {
            due.extend(check.due(at, locals));
        }
        if self.check.as_ref().is_some_and(Sweep::is_over) {
            self.check = None;
        }
        for held in due.chunks(BATCH) {
            let held = held.iter().map(|(device, local)| (device.clone(), local.connection));
            self.ask(held.collect(), effects);
        }
        if self.period.is_over() {
            self.period = Sweep::new(at, PERIOD, BATCH);
            // Everyone who waits has been asked about again, or will be in the walk that begins.
            self.calls.retain(|_, call| call.retry.is_none());
        }
        let again = |_: &u64, call: &mut Call| call.retry.is_some_and(|due| due <= at);
        let again: Vec<_> = self.calls.extract_if(.., again).collect();
        for (_, call) in again {
            self.ask(call.held, effects);
        }
    }

    fn ask(&mut self, held: Vec<(Device, ConnectionId)>, effects: &mut Vec<Effect>) {
        let call = self.next;
        self.next += 1;
        let devices = held.iter().map(|(device, _)| device.clone()).collect();
        self.calls.insert(call, Call { held, retry: None });
        effects.push(Effect::Seen { call, devices });
    }
}

#[cfg(test)]
mod tests;
