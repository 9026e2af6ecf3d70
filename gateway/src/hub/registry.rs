//! What the message service knows of the devices here: whether they are known, and whose tokens are revoked.

use chatcluster_manager::Manager;
use gateway_core::{Revocation, registrar, revocations, session::Input};

use super::Hub;

impl<M: Manager> Hub<M> {
    pub(super) fn registrar_effect(&self, effect: registrar::Effect) {
        use registrar::Effect;
        match effect {
            Effect::Seen { call, devices } => self.beside(async move |hub| {
                let seen = hub.messages.seen(&devices).await;
                hub.tell(|machines, now, out| {
                    let locals = &machines.locals;
                    machines.registrar.seen(now, call, seen, locals, &mut out.registrar);
                });
            }),
            Effect::Removed(connection) => self.feed_connection(connection, Input::Removed),
            Effect::Revoked(connection, before) => {
                self.feed_connection(connection, Input::Revoked(before));
            }
        }
    }

    pub(super) fn revocations_effect(&self, effect: revocations::Effect) {
        use revocations::Effect;
        match effect {
            Effect::Read(from) => self.beside(async move |hub| {
                let page = hub.messages.revocations(from).await;
                hub.tell(|machines, now, out| {
                    machines.revocations.read(now, page, &mut out.revocations);
                });
            }),
            Effect::Revoke(all) => self.revoke(&all),
            Effect::CheckAll => {
                tracing::warn!("revocations may have been missed: asking about all sessions");
                self.tell(|machines, now, _| machines.registrar.check_all(now));
            }
        }
    }

    /// Looks at every session, whether or not it has been welcomed.
    fn revoke(&self, all: &[Revocation]) {
        for cell in self.sessions.all() {
            let device = cell.lock().session.device().cloned();
            let before = device.and_then(|device| Revocation::latest(all, &device));
            if let Some(before) = before {
                self.feed(&cell, Input::Revoked(before));
            }
        }
    }
}
