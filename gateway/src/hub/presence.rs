//! Who is online: what the machine asks of the services, and what it tells sessions.

use chatcluster_manager::Manager;
use chatcluster_protocol::{
    client::{RequestId, UserPresence},
    id::UserId,
};
use gateway_core::{
    Away, ConnectionId, Device, Effects,
    presence::{Effect, Found},
    session::Shown,
};

use super::Hub;
use crate::metrics::count;

impl<M: Manager> Hub<M> {
    /// A session watches these users. To be called under its lock, so that it is not after its end; what comes
    /// of it may lead to this very session, and waits until the lock is free.
    pub(super) fn watch(
        &self,
        connection: ConnectionId,
        user: &UserId,
        request: (RequestId, Vec<UserId>),
    ) -> Effects {
        let mut out = Effects::default();
        self.with_machines(|machines, _| {
            let (now, locals, to) = (self.clock.now(), &machines.locals, &mut out.presence);
            machines.presence.watch(now, connection, user, request, locals, to);
        });
        out
    }

    /// A session holds nothing more.
    pub(super) fn unhold(&self, connection: ConnectionId, device: &Device) {
        self.with_machines(|machines, _| {
            machines.locals.remove(device, connection);
            machines.presence.unwatch(connection);
        });
    }

    pub(super) fn missed_presence(&self, connection: ConnectionId, missed: &[UserPresence]) {
        count(&self.metrics.presence, "busy");
        self.tell(|machines, _, _| machines.presence.missed(connection, missed));
    }

    /// Whether a user is online, whoever asks.
    pub async fn presence_of(&self, user: &UserId) -> Result<UserPresence, Away> {
        let users = std::slice::from_ref(user);
        let found = self.asked(self.manager.presence(users)).await?.pop();
        let found = found.map(found_of).unwrap_or_default();
        Ok(found.told(user, self.clock.now()))
    }

    pub(super) fn presence_effect(&self, effect: Effect) {
        match effect {
            Effect::LookUp { call, users } => self.beside(async move |hub| {
                let found = hub.asked(hub.manager.presence(&users)).await;
                hub.metrics.presence_lookups.inc_by(users.len() as u64);
                let found = found.map(|found| found.into_iter().map(found_of).collect());
                hub.tell(|machines, now, out| {
                    let (locals, to) = (&machines.locals, &mut out.presence);
                    machines.presence.looked_up(now, call, found, locals, to);
                });
            }),
            Effect::ReadSettings { call, users } => self.beside(async move |hub| {
                let settings = hub.messages.settings(&users).await;
                hub.metrics.presence_checks.inc_by(users.len() as u64);
                hub.tell(|machines, now, out| {
                    machines.presence.settings(now, call, settings, &mut out.presence);
                });
            }),
            Effect::ReadContacts { call, pairs } => self.beside(async move |hub| {
                let contacts = hub.messages.contacts(&pairs).await;
                hub.metrics.presence_checks.inc_by(pairs.len() as u64);
                hub.tell(|machines, now, out| {
                    machines.presence.contacts(now, call, contacts, &mut out.presence);
                });
            }),
            Effect::Tell(connection, tell) => {
                let shown = self.sessions.get(connection).map_or(Shown::NotHere, |cell| {
                    self.work_on(&cell, |session, env| session.show_presence(&tell, env))
                });
                match shown {
                    Shown::Handed => {}
                    Shown::Busy => self.missed_presence(connection, &tell.presences.users),
                    Shown::NotHere => count(&self.metrics.presence, "not_here"),
                }
            }
            Effect::Refuse(connection, request) => {
                count(&self.metrics.presence, "overloaded");
                if let Some(cell) = self.sessions.get(connection) {
                    self.work_on(&cell, |session, env| session.refuse_presence(request, env));
                }
            }
        }
    }
}

fn found_of(one: chatcluster_manager::Presence) -> Found {
    Found { online: one.online, seen: one.seen }
}
