//! The backstop (rule 6): asks the message service in bulk which sessions have something waiting, so
//! that a message whose delivery was lost arrives all the same. One per gateway.

use std::{collections::BTreeMap, time::Duration};

use chatcluster_protocol::planted::{Bug, planted};

use crate::{Away, ConnectionId, Device, Local, Locals, Now, sweep::Sweep};

/// Most devices of one probe.
const BATCH: usize = 1_000;

/// How often each session is probed.
const PERIOD: Duration = Duration::from_secs(5 * 60);

/// How often each session without a claim is probed, since nobody finds it to deliver; and each one while
/// the manager is away, since a route that no cache has is not found either.
const UNCLAIMED_PERIOD: Duration = Duration::from_secs(15);

/// Over how long the probes are spread that follow the loss of a gateway.
const LOSS_SPREAD: Duration = Duration::from_secs(30);

/// Younger entries are being delivered.
const OLDER_THAN: Duration = Duration::from_secs(2);

/// How soon, and how often, a probe that failed is asked again before the next period has to do.
const RETRY: Duration = Duration::from_secs(5);
const TRIES: u8 = 3;

/// What the shell does for the prober, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Which of these devices have something waiting? Answered by [`Prober::probed`].
    Probe {
        /// Names the probe.
        probe: u64,
        /// The devices, at most 1,000.
        devices: Vec<Device>,
        /// Only what has waited for longer than this.
        older_than: Duration,
    },
    /// The session reads its inbox again: [`crate::session::Input::ReadAgain`].
    ReadAgain(ConnectionId),
}

/// Probes all sessions every 5 minutes, those without a claim every 15 s (all of them while the manager is
/// away), and all at once when something was lost.
#[derive(Debug)]
pub struct Prober {
    period: Sweep,
    unclaimed: Sweep,
    loss: Option<Sweep>,
    /// Something was lost after the sweep for an earlier loss had begun.
    loss_again: bool,
    /// Without an answer, or waiting to be asked again. At most a thousandth of the sessions for each
    /// sweep and try.
    probes: BTreeMap<u64, Probe>,
    next: u64,
}

#[derive(Debug)]
struct Probe {
    devices: Vec<Device>,
    tries: u8,
    /// When it is asked again, if it failed.
    retry: Option<Duration>,
}

impl Prober {
    /// A gateway starts.
    pub fn new(now: Now) -> Self {
        Self {
            period: Sweep::new(now.monotonic, PERIOD, BATCH),
            unclaimed: Sweep::new(now.monotonic, UNCLAIMED_PERIOD, BATCH),
            loss: None,
            loss_again: false,
            probes: BTreeMap::new(),
            next: 0,
        }
    }

    /// Something may have been lost: a gateway's lease ended, or a peer asks for it. All sessions are
    /// probed once, spread over 30 s.
    pub fn probe_all(&mut self, now: Now) {
        if self.loss.is_some() {
            self.loss_again = true;
        } else {
            self.loss = Some(Sweep::new(now.monotonic, LOSS_SPREAD, BATCH));
        }
    }

    /// Answers [`Effect::Probe`]: positions of the devices that have something waiting.
    pub fn probed(
        &mut self,
        now: Now,
        probe: u64,
        waiting: Result<Vec<u32>, Away>,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut asked) = self.probes.remove(&probe) else { return };
        match waiting {
            Ok(positions) => {
                let devices = positions.iter().filter_map(|at| asked.devices.get(*at as usize));
                let sessions = devices.flat_map(|device| locals.of(device));
                effects.extend(sessions.map(|local| Effect::ReadAgain(local.connection)));
            }
            Err(Away) if asked.tries < TRIES => {
                asked.retry = Some(now.monotonic + RETRY);
                self.probes.insert(probe, asked);
            }
            Err(Away) => {}
        }
    }

    /// Time has passed. Wanted every second. `manager_away`: the gateway's lease is not known to live.
    pub fn tick(
        &mut self,
        now: Now,
        manager_away: bool,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let at = now.monotonic;
        let mut due = Vec::new();
        due.push(named(self.period.due(at, locals), |_| true));
        due.push(named(self.unclaimed.due(at, locals), |local| {
            (manager_away || !local.claimed) && !planted(Bug::UnclaimedUnprobed)
        }));
        if let Some(loss) = &mut self.loss {
            due.push(named(loss.due(at, locals), |_| true));
        }
        for devices in due.iter().flat_map(|devices| devices.chunks(BATCH)) {
            self.ask(devices.to_vec(), 1, effects);
        }
        self.ask_again(at, effects);
        if self.period.is_over() {
            self.period = Sweep::new(at, PERIOD, BATCH);
        }
        if self.unclaimed.is_over() {
            self.unclaimed = Sweep::new(at, UNCLAIMED_PERIOD, BATCH);
        }
        if self.loss.as_ref().is_some_and(Sweep::is_over) {
            self.loss = None;
            if std::mem::take(&mut self.loss_again) {
                self.probe_all(now);
            }
        }
    }

    fn ask_again(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let due = |_: &u64, probe: &mut Probe| probe.retry.is_some_and(|at| at <= now);
        let due: Vec<_> = self.probes.extract_if(.., due).collect();
        for (_, Probe { devices, tries, .. }) in due {
            self.ask(devices, tries + 1, effects);
        }
    }

    fn ask(&mut self, devices: Vec<Device>, tries: u8, effects: &mut Vec<Effect>) {
        if planted(Bug::NoProbes) {
            return;
        }
        let probe = self.next;
        self.next += 1;
        self.probes.insert(probe, Probe { devices: devices.clone(), tries, retry: None });
        effects.push(Effect::Probe { probe, devices, older_than: OLDER_THAN });
    }
}

fn named(due: Vec<(Device, Local)>, wanted: impl Fn(&Local) -> bool) -> Vec<Device> {
    due.into_iter().filter(|(_, local)| wanted(local)).map(|(device, _)| device).collect()
}

#[cfg(test)]
mod tests;
