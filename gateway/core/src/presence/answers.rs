//! What the services say.

use std::time::Duration;

use chatcluster_protocol::{client::PresenceTo, id::UserId};

use super::{BELIEVED, Changed, Effect, Found, HERE, Presence, State};
use crate::{Away, Locals, Now};

impl Presence {
    /// Answers [`Effect::LookUp`], for each user in the order asked.
    pub fn looked_up(
        &mut self,
        now: Now,
        call: u64,
        found: Result<Vec<Found>, Away>,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let users = self.lookups.ended(call, found.is_ok(), now.monotonic);
        let mut found = found.ok().map(Vec::into_iter);
        let mut changed = Changed::new();
        for user in users {
            let here = locals.of_user(&user).next().map(|_| HERE);
            let found = found.as_mut().and_then(Iterator::next).map(|found| State::of(found, now));
            self.learn(&user, here.or(found), &mut changed);
        }
        self.tell_all(changed, effects);
        self.ask(now, effects);
    }

    /// Something has been heard of a user, or nothing: then what was known stays.
    pub(super) fn learn(&mut self, user: &UserId, state: Option<State>, changed: &mut Changed) {
        let Some(watched) = self.watched.get_mut(user) else { return };
        let first = !std::mem::replace(&mut watched.found, true);
        let news = state.filter(|state| watched.state.is_none_or(|known| !known.is_like(state)));
        watched.state = news.or(watched.state);
        if first || news.is_some() {
            note(changed, watched.watchers.iter().copied(), user);
        }
    }

    /// Answers [`Effect::ReadSettings`], for each user in the order asked.
    pub fn settings(
        &mut self,
        now: Now,
        call: u64,
        found: Result<Vec<PresenceTo>, Away>,
        effects: &mut Vec<Effect>,
    ) {
        let users = self.settings.ended(call, found.is_ok(), now.monotonic);
        let mut found = found.ok().map(Vec::into_iter);
        let mut changed = Changed::new();
        for user in users {
            let setting = found.as_mut().and_then(Iterator::next);
            self.hear(now.monotonic, &user, setting, &mut changed);
        }
        self.tell_all(changed, effects);
        self.ask(now, effects);
    }

    fn hear(
        &mut self,
        now: Duration,
        user: &UserId,
        setting: Option<PresenceTo>,
        changed: &mut Changed,
    ) {
        let Some(watched) = self.watched.get_mut(user) else { return };
        let before = watched.setting.map(|(to, _)| to);
        watched.setting = match setting {
            Some(to) => Some((to, now)),
            None => watched.setting.filter(|(_, at)| now < *at + BELIEVED),
        };
        let after = watched.setting.map(|(to, _)| to);
        for connection in &watched.watchers {
            let Some(watcher) = self.watchers.get_mut(connection) else { continue };
            let Some(sight) = watcher.users.get_mut(user) else { continue };
            let first = !std::mem::replace(&mut sight.heard, true);
            if !first && before == after {
                continue;
            }
            note(changed, [*connection], user);
            let stranger = sight.contact != Some(true) && watcher.user != *user;
            if after == Some(PresenceTo::Contacts) && stranger {
                self.contacts.want((*connection, user.clone()));
            }
        }
    }

    /// Answers [`Effect::ReadContacts`], for each pair in the order asked.
    pub fn contacts(
        &mut self,
        now: Now,
        call: u64,
        found: Result<Vec<bool>, Away>,
        effects: &mut Vec<Effect>,
    ) {
        let pairs = self.contacts.ended(call, found.is_ok(), now.monotonic);
        let mut found = found.ok().map(Vec::into_iter);
        let mut changed = Changed::new();
        for (connection, user) in pairs {
            let is = found.as_mut().and_then(Iterator::next);
            let watcher = self.watchers.get_mut(&connection);
            let Some(sight) = watcher.and_then(|watcher| watcher.users.get_mut(&user)) else {
                continue;
            };
            let is = is.or(sight.contact).or(Some(false));
            if std::mem::replace(&mut sight.contact, is) != is {
                note(&mut changed, [connection], &user);
            }
        }
        self.tell_all(changed, effects);
        self.ask(now, effects);
    }
}

fn note(
    changed: &mut Changed,
    connections: impl IntoIterator<Item = crate::ConnectionId>,
    user: &UserId,
) {
    for connection in connections {
        changed.entry(connection).or_default().push(user.clone());
    }
}
