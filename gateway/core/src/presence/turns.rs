//! Whose turn it is to be asked about again: everybody's within a time, a few each second.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use chatcluster_protocol::{client::PresenceTo, id::UserId};

use super::{CHECKED, Changed, HERE, PERIOD, Presence, Watched};
use crate::{ConnectionId, Locals, Now};

/// Where each kind of turn is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    presence: Option<UserId>,
    setting: Option<UserId>,
    contacts: Option<ConnectionId>,
}

/// The next so many keys behind `last`, round and round, each at most once.
fn turn<K: Ord + Clone, V>(map: &BTreeMap<K, V>, last: &mut Option<K>, count: usize) -> Vec<K> {
    let start = last.as_ref().map_or(Unbounded, Excluded);
    let behind = map.range::<K, _>((start, Unbounded)).chain(map.iter());
    let keys: Vec<K> = behind.take(count.min(map.len())).map(|(key, _)| key.clone()).collect();
    *last = keys.last().cloned().or(last.take());
    keys
}

impl Presence {
    /// Who is here is known without a lookup.
    pub(super) fn look_up_again(&mut self, now: Now, locals: &Locals, changed: &mut Changed) {
        let share = self.lookups.share(self.watched.len(), PERIOD);
        for user in turn(&self.watched, &mut self.turns.presence, share) {
            if locals.of_user(&user).next().is_some() {
                self.learn(&user, Some(HERE), changed);
                continue;
            }
            let due = |one: &Watched| now.monotonic >= one.looked_up + PERIOD / 2;
            if self.watched.get(&user).is_some_and(due) {
                self.lookups.want_first(user);
            }
        }
    }

    pub(super) fn ask_settings_again(&mut self, now: Now) {
        let share = self.settings.share(self.watched.len(), CHECKED);
        for user in turn(&self.watched, &mut self.turns.setting, share) {
            let due = |one: &Watched| now.monotonic >= one.asked + CHECKED / 2;
            if self.watched.get(&user).is_some_and(due) {
                self.settings.want_first(user);
            }
        }
    }

    /// Somebody may have become a contact; whoever is one stays so.
    pub(super) fn ask_contacts_again(&mut self, now: Now) {
        let share = self.contacts.share(self.watchers.len(), CHECKED);
        for connection in turn(&self.watchers, &mut self.turns.contacts, share) {
            let Some(watcher) = self.watchers.get_mut(&connection) else { continue };
            if now.monotonic < watcher.asked + CHECKED / 2 {
                continue;
            }
            watcher.asked = now.monotonic;
            for (user, sight) in &watcher.users {
                let setting = self.watched.get(user).and_then(|watched| watched.setting);
                let contacts = setting.is_some_and(|(to, _)| to == PresenceTo::Contacts);
                if contacts && sight.contact == Some(false) {
                    self.contacts.want_first((connection, user.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_and_miss_nobody() {
        let map: BTreeMap<u32, ()> = (0..5).map(|key| (key, ())).collect();
        let mut last = None;
        assert_eq!(turn(&map, &mut last, 2), [0, 1]);
        assert_eq!(turn(&map, &mut last, 2), [2, 3]);
        assert_eq!(turn(&map, &mut last, 2), [4, 0]);
        assert_eq!(turn(&map, &mut last, 9), [1, 2, 3, 4, 0]);
        last = Some(7);
        assert_eq!(turn(&map, &mut last, 1), [0], "the last one has gone");
        assert_eq!(turn(&BTreeMap::<u32, ()>::new(), &mut last, 3), [0; 0]);
    }
}
