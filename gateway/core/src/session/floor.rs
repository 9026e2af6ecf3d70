//! The id above which a session stamps what its client sends (rule 7).
//!
//! What a client has seen binds its own ids only. Were the gateway's clock to follow what clients
//! claim, one client with an id from the future would move the time of all of them.

use chatcluster_protocol::{
    Millis,
    id::{HybridClock, Identity, MessageId},
    limits::{APPEND_WINDOW, SEEN_AHEAD},
    planted::{Bug, planted},
};

/// How far ahead of the wall clock an id is followed: half of what the message service accepts, so
/// that ids stamped above it still pass where the service's clock is behind ours. The service refuses
/// what comes out of order because of this, and the session stamps again.
const FOLLOWED: Millis = APPEND_WINDOW / 2;

/// The highest id that the client has seen or that was stamped for it.
#[derive(Debug)]
pub(crate) struct Floor(MessageId);

impl Floor {
    pub(crate) const fn new() -> Self {
        Self(MessageId::MIN)
    }

    /// Whether a client can have seen this id.
    pub(super) fn is_credible(id: MessageId, wall: Millis) -> bool {
        id.millis() <= wall.saturating_add(SEEN_AHEAD)
    }

    /// The client has seen this id.
    pub(super) fn see(&mut self, id: MessageId, wall: Millis) {
        let most = MessageId::floor(wall.saturating_add(FOLLOWED));
        if !planted(Bug::SeenIgnored) {
            self.0 = self.0.max(id.min(most));
        }
    }

    /// The service has stored this id of the same device.
    pub(crate) fn must_exceed(&mut self, id: MessageId) {
        self.0 = self.0.max(id);
    }

    /// A fresh id, above all before it.
    pub(crate) fn stamp(
        &mut self,
        identity: Identity,
        clock: &mut HybridClock,
        wall: Millis,
    ) -> MessageId {
        let mut stamp = clock.next(wall);
        if stamp <= self.0.stamp() {
            let mut own = HybridClock::default();
            own.observe(self.0);
            stamp = own.next(wall);
        }
        self.0 = MessageId::new(stamp, identity);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::{DeviceId, Reference, Stamp, UserId};

    use super::*;

    fn identity() -> Identity {
        let user = UserId::new("alice").unwrap();
        Identity::of(&user, &DeviceId::new("phone").unwrap(), &Reference::new("1").unwrap())
    }

    #[test]
    fn ids_are_above_what_the_client_has_seen_and_other_clients_notice_nothing() {
        let (mut clock, mut floor) = (HybridClock::default(), Floor::new());
        let seen = MessageId::new(Stamp::new(5_000, 9), identity());
        floor.see(seen, 1_000);
        let first = floor.stamp(identity(), &mut clock, 1_000);
        let second = floor.stamp(identity(), &mut clock, 1_000);
        assert!(seen < first && first < second);
        assert_eq!(clock.next(1_000).millis(), 1_000);
    }

    #[test]
    fn a_future_is_followed_by_half_of_what_the_service_accepts() {
        let (mut clock, mut floor) = (HybridClock::default(), Floor::new());
        floor.see(MessageId::MAX, 1_000);
        assert_eq!(floor.stamp(identity(), &mut clock, 1_000).millis(), 31_000);
    }
}
