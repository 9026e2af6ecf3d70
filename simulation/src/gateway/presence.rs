//! Who is online, on its way through a gateway.

use std::sync::Arc;

use bytes::Bytes;
use chatcluster_manager::{Manager, MemoryManager};
use chatcluster_protocol::{
    client::{PresenceTo, RequestId, UserPresence},
    id::{MessageId, UserId},
};
use gateway_core::{
    Away, ConnectionId,
    presence::{Effect, Found},
    session::{Input, Shown},
};
use messages_core::repository::Repository;

use super::calls::WITHIN;
use crate::{
    coverage::hit,
    network::{StreamId, Wire},
    storage::Repo,
    world::World,
};

impl World {
    pub(super) fn presence_effect(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::LookUp { call, users } => {
                let ask = async move |manager: MemoryManager| manager.presence(&users).await;
                self.ask_manager(at, ask, move |world, found| {
                    hit(if found.is_ok() {
                        "presence: looked up"
                    } else {
                        "presence: lookup failed"
                    });
                    let of = |one: chatcluster_manager::Presence| Found {
                        online: one.online,
                        seen: one.seen,
                    };
                    let found = found.map(|found| found.into_iter().map(of).collect());
                    world.tell(at, |machines, now, out| {
                        let (locals, to) = (&machines.locals, &mut out.presence);
                        machines.presence.looked_up(now, call, found, locals, to);
                    });
                });
            }
            Effect::ReadSettings { call, users } => {
                let ask =
                    move |repository: Arc<Repo>| async move { repository.privacies(users).await };
                self.call_service(at, WITHIN, ask, move |world, settings| {
                    let settings = checked(settings);
                    world.tell(at, |machines, now, out| {
                        machines.presence.settings(now, call, settings, &mut out.presence);
                    });
                });
            }
            Effect::ReadContacts { call, pairs } => {
                let pairs = pairs.into_iter().map(|(watcher, user)| (user, watcher)).collect();
                let ask =
                    move |repository: Arc<Repo>| async move { repository.contacts(pairs).await };
                self.call_service(at, WITHIN, ask, move |world, contacts| {
                    let contacts = checked(contacts);
                    world.tell(at, |machines, now, out| {
                        machines.presence.contacts(now, call, contacts, &mut out.presence);
                    });
                });
            }
            Effect::Refuse(connection, request) => {
                self.work_on(at, connection, |session, env| session.refuse_presence(request, env));
            }
            Effect::Tell(connection, tell) => {
                let shown = if self.is_listed(at, connection) {
                    self.check_told(at, connection, &tell.presences);
                    self.work_on(at, connection, |session, env| session.show_presence(&tell, env))
                } else {
                    None
                };
                if let Some(Shown::Busy) = shown {
                    hit("presence: busy");
                    self.missed_presence(at, connection, &tell.presences.users);
                }
            }
        }
    }

    pub(super) fn missed_presence(
        &mut self,
        at: usize,
        connection: ConnectionId,
        missed: &[UserPresence],
    ) {
        self.tell(at, |machines, _, _| machines.presence.missed(connection, missed));
    }

    /// Writes it to a client, unless that one is behind.
    pub(super) fn write_presence(&mut self, at: usize, stream: StreamId, frame: Bytes) -> bool {
        let gateway = &mut self.gateways[at];
        if gateway.full && gateway.chance.one_in(2) {
            hit("presence: client behind");
            return false;
        }
        self.send(stream, 1, Wire::Text(frame));
        true
    }

    pub(super) fn privacy(
        &mut self,
        at: usize,
        connection: ConnectionId,
        (user, request): (UserId, RequestId),
        presence_to: Option<PresenceTo>,
        stamp: MessageId,
    ) {
        let call = move |repository: Arc<Repo>| async move {
            match presence_to {
                Some(to) => repository.set_privacy(user, to, stamp.stamp()).await,
                None => repository.privacy(user).await,
            }
        };
        self.call_service(at, WITHIN, call, move |world, found| {
            let found = found.and_then(Result::ok).ok_or(Away);
            world.answered(at, connection, Input::Privacy(request, found));
        });
    }
}

fn checked<T, E>(answer: Option<Result<T, E>>) -> Result<T, Away> {
    let answer = answer.and_then(Result::ok).ok_or(Away);
    hit(if answer.is_ok() { "presence: checked" } else { "presence: check failed" });
    answer
}
