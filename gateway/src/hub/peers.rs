//! What peers say and ask, as inputs of the machines.

use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::peer::{Outcome, Target, TargetOutcome, TargetRef};
use gateway_core::{ConnectionId, Incarnation, Push, evictions, session::Input};

use super::Hub;
use crate::{
    peers::{Full, Item, PeerEvents},
    sessions::Cell,
};

impl<M: Manager> Hub<M> {
    pub(super) fn eviction_effect(&self, effect: evictions::Effect) {
        use evictions::Effect;
        match effect {
            Effect::Local { connection, epoch } => {
                self.feed_connection(connection, Input::Evict(epoch));
            }
            Effect::Remote { gateway, eviction, target } => {
                if let Err(Full) =
                    self.peers.send(&gateway, Item::Evict { sequence: eviction, session: &target })
                {
                    let lost = gateway.incarnation;
                    self.tell(|machines, now, _| machines.evictions.link_lost(now, lost));
                }
            }
            Effect::ReadAgain(connection) => self.feed_connection(connection, Input::ReadAgain),
        }
    }

    /// The session that a peer means: the connection is still that of this device.
    fn meant(&self, target: TargetRef<'_>) -> Option<std::sync::Arc<Cell>> {
        let cell = self.sessions.get(ConnectionId(target.connection))?;
        let same = cell.lock().session.device().is_some_and(|device| {
            device.user.as_str().as_bytes() == target.user
                && device.device.as_str().as_bytes() == target.device
        });
        same.then_some(cell)
    }
}

impl<M: Manager> PeerEvents for Hub<M> {
    fn incarnation(&self) -> Incarnation {
        self.present()
    }

    fn outcomes(&self, outcomes: &[TargetOutcome]) {
        self.tell(|machines, now, out| {
            for TargetOutcome { sequence, target, outcome } in outcomes {
                let outcome = Outcome::try_from(*outcome).unwrap_or(Outcome::Unknown);
                machines.router.outcome(now, *sequence, *target, outcome, &mut out.router);
            }
        });
    }

    fn evicted(&self, eviction: u64) {
        self.tell(|machines, _, out| machines.evictions.evicted(eviction, &mut out.evictions));
    }

    fn link_lost(&self, to: Incarnation) {
        self.tell(|machines, now, _| machines.link_lost(now, to));
    }

    fn gateway_gone(&self, gateway: Incarnation) {
        self.tell(|machines, now, out| machines.gateway_gone(now, gateway, out));
    }

    fn deliver(&self, target: TargetRef<'_>, push: &Push) -> Outcome {
        match self.meant(target) {
            Some(cell) => {
                self.work_on(&cell, |session, env| session.deliver(target.epoch, push.clone(), env))
            }
            None => Outcome::NotHere,
        }
    }

    fn typing(&self, at: u64, frame: &Bytes, targets: &[Target]) {
        let mut timely = false;
        self.tell(|machines, now, _| timely = machines.router.is_timely(now, at));
        for target in targets.iter().filter(|_| timely) {
            let cell = self.meant(TargetRef::from(target));
            self.show_typing(cell, target.epoch, frame.clone());
        }
    }

    fn evict(&self, target: TargetRef<'_>) {
        if let Some(cell) = self.meant(target) {
            self.feed(&cell, Input::Evict(target.epoch));
        }
    }

    fn disconnect(&self, target: TargetRef<'_>) {
        if let Some(cell) = self.meant(target) {
            self.feed(&cell, Input::Disconnect(target.epoch));
        }
    }

    fn probe_all(&self) {
        self.tell(|machines, now, _| machines.prober.probe_all(now));
    }
}
