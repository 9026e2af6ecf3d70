//! Epochs: which of two claims of a device is the newer one.

use chatcluster_protocol::Millis;

use crate::Claim;

/// How far a client's last epoch may be ahead of the claiming gateway's clock. An honest client has
/// it from some gateway, whose clock is not a day wrong; without a bound one client could push the
/// epochs of its own device to where they cannot rise.
const AHEAD: Millis = 24 * 3600 * 1000;

/// Epochs pass through Lua, whose numbers are exact below 2^53 (the year 287396). A clock beyond half
/// of that is broken, and leaves room for claims to count on.
const CLOCK_MAX: Millis = 1 << 52;

/// The lowest epoch that a claim may get whatever was there before: max(the client's last + 1, now).
/// The home of the manager adds the other half of the rule, old + 1.
pub(crate) fn floor(claim: &Claim) -> u64 {
    let now = claim.now.min(CLOCK_MAX);
    let after_last = claim.last_epoch.map_or(0, |last| last.min(now + AHEAD) + 1);
    now.max(after_last)
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::{DeviceId, UserId};

    use super::*;

    fn floor_of(last_epoch: Option<u64>, now: Millis) -> u64 {
        let user = UserId::new("alice").unwrap();
        let device = DeviceId::new("phone").unwrap();
        floor(&Claim { user, device, connection: 1, last_epoch, now })
    }

    #[test]
    fn a_claim_is_above_what_the_client_saw_also_when_the_clock_is_behind() {
        assert_eq!(floor_of(None, 1000), 1000);
        assert_eq!(floor_of(Some(400), 1000), 1000);
        assert_eq!(floor_of(Some(1000), 1000), 1001);
        assert_eq!(floor_of(Some(5000), 1000), 5001);
    }

    #[test]
    fn neither_a_lying_client_nor_a_broken_clock_exhausts_the_epochs() {
        assert_eq!(floor_of(Some(u64::MAX), 1000), 1000 + AHEAD + 1);
        assert!(floor_of(Some(u64::MAX), u64::MAX) < 1 << 53);
    }
}
