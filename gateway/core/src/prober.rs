//! The backstop (rule 6): asks the message service in bulk which sessions have something waiting, so
//! that a message whose delivery was lost arrives all the same. One per gateway.

use std::time::Duration;

use crate::{Away, ConnectionId, Device, Locals, Now};

/// What the shell does for the prober, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Which of these devices have something waiting? Answered by [`Prober::probed`].
    Probe {
        /// Names the probe.
        probe: u64,
        /// The devices, at most 1,000.
        devices: Vec<Device>,
        /// Only what has waited for longer than this: younger entries are being delivered.
        older_than: Duration,
    },
    /// The session reads its inbox again: [`crate::session::Input::ReadAgain`].
    ReadAgain(ConnectionId),
}

/// Probes all sessions every 5 minutes, those without a claim every 15 s, and all at once when
/// something was lost.
#[derive(Debug, Default)]
pub struct Prober {}

impl Prober {
    /// Something may have been lost: a gateway's lease ended, or a peer asks for it. All sessions are
    /// probed once, spread over 30 s.
    pub fn probe_all(&mut self, now: Now) {
        let _ = now;
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
        let _ = (now, probe, waiting, locals, effects);
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, locals: &Locals, effects: &mut Vec<Effect>) {
        let _ = (now, locals, effects);
    }
}
