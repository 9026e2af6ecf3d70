//! How much one user may ask of this gateway, and how often one address may knock.
//!
//! Each gateway counts by itself: what a user may do is bound on each, which is what one that is flooded
//! needs, and costs no call.

mod door;
mod meter;

use std::time::Duration;

use chatcluster_protocol::id::UserId;
pub use door::Door;
use meter::Meter;
pub use meter::{RETRY, Rate};

/// What users have used up, over all their sessions here, and also after those have ended: whoever connects
/// again has no more than before. Only sessions whose token is good ever ask, so nobody can make up names.
#[derive(Debug)]
pub struct Rates {
    sends: Meter<UserId>,
    requests: Meter<UserId>,
}

impl Default for Rates {
    /// No limits.
    fn default() -> Self {
        Self::new(Rate::NONE, Rate::NONE)
    }
}

impl Rates {
    /// Nobody has used up anything. `sends` are messages, `requests` the other frames that ask a service for
    /// something: `history`, `group`, `read`, `refresh`, `presence` and `privacy`.
    pub fn new(sends: Rate, requests: Rate) -> Self {
        Self { sends: Meter::new(sends), requests: Meter::new(requests) }
    }

    /// How long this user has to wait before the next send, if at all.
    pub(crate) fn send_waits(&self, user: &UserId, now: Duration) -> Option<Duration> {
        self.sends.wait(user, now)
    }

    /// A send is on its way to the message service.
    pub(crate) fn sends(&mut self, user: &UserId, now: Duration) {
        self.sends.take(user, now);
    }

    /// Takes another request, or says how long to wait.
    pub(crate) fn requests(&mut self, user: &UserId, now: Duration) -> Result<(), Duration> {
        self.requests.try_take(user, now)
    }
}
