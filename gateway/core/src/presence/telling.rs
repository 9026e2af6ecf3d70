//! What sessions are told: an answer to each request, then what has changed.

use std::time::Duration;

use chatcluster_protocol::{
    client::{Presences, RequestId, UserPresence},
    id::UserId,
    planted::{Bug, planted},
};

use super::{Changed, Effect, Presence, Sight, State, Tell, Watched, Watcher, user_presence};
use crate::{ConnectionId, Now};

/// How long a client waits for its answer at most. What is not known by then looks unknown, and is told when it
/// is known.
const ANSWERED: Duration = Duration::from_secs(2);

impl Watcher {
    /// What the session sees of a user.
    fn sees(&self, user: &UserId, sight: &Sight, watched: &Watched) -> State {
        let may = self.may_see(user, sight, watched) == Some(true);
        watched.state.filter(|_| may).unwrap_or_default()
    }

    /// Whether there was an answer to all that this takes. Of somebody who may not be seen that is the setting
    /// alone, so that the time of the answer tells nothing of them.
    fn is_known(&self, user: &UserId, sight: &Sight, watched: &Watched) -> bool {
        let may = self.may_see(user, sight, watched);
        may.is_some_and(|may| !may || watched.found)
    }
}

impl Presence {
    /// A session was told this, and had no room for it: it is told later, as it is then.
    pub fn missed(&mut self, connection: ConnectionId, missed: &[UserPresence]) {
        let Some(watcher) = self.watchers.get_mut(&connection) else { return };
        if planted(Bug::MissedPresenceLost) {
            return;
        }
        for UserPresence { user, .. } in missed {
            if let Some(sight) = watcher.users.get_mut(user) {
                sight.told = None;
            }
        }
        self.behind.insert(connection);
    }

    /// Tells each of these what has changed, or answers its request if all is known that it takes.
    pub(super) fn tell_all(&mut self, changed: Changed, effects: &mut Vec<Effect>) {
        for (connection, users) in changed {
            if self.owed.contains(&connection) {
                self.answer_if_known(connection, effects);
            } else {
                self.tell(connection, None, Some(users), effects);
            }
        }
    }

    /// Tells those who were behind what they have not been told. (Whoever waits for an answer is told by that.)
    pub(super) fn tell_again(&mut self, effects: &mut Vec<Effect>) {
        for connection in std::mem::take(&mut self.behind) {
            if !self.owed.contains(&connection) {
                self.tell(connection, None, None, effects);
            }
        }
    }

    /// Tells a session about these users, or about all, where there is something new, or a request to answer.
    fn tell(
        &mut self,
        connection: ConnectionId,
        request: Option<RequestId>,
        users: Option<Vec<UserId>>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(watcher) = self.watchers.get_mut(&connection) else { return };
        let users = users.unwrap_or_else(|| watcher.users.keys().cloned().collect());
        let mut told = Vec::new();
        for user in users {
            let (Some(sight), Some(watched)) = (watcher.users.get(&user), self.watched.get(&user))
            else {
                continue;
            };
            let sees = watcher.sees(&user, sight, watched);
            if request.is_some() || sight.told != Some(sees) {
                told.push(user_presence(&user, sees));
                if let Some(sight) = watcher.users.get_mut(&user) {
                    sight.told = Some(sees);
                }
            }
        }
        if request.is_some() || !told.is_empty() {
            watcher.told += 1;
            let presences = Presences { id: request, users: told };
            effects.push(Effect::Tell(connection, Tell { number: watcher.told, presences }));
        }
    }

    /// Answers the request of a session, if it has one and all is known that it takes.
    pub(super) fn answer_if_known(&mut self, connection: ConnectionId, effects: &mut Vec<Effect>) {
        let Some(watcher) = self.watchers.get(&connection) else { return };
        let known = |(user, sight): (&UserId, &Sight)| {
            self.watched.get(user).is_none_or(|watched| watcher.is_known(user, sight, watched))
        };
        if watcher.owed.is_some() && watcher.users.iter().all(known) {
            self.answer(connection, effects);
        }
    }

    /// Answers the request of a session, if it has one, with what is known.
    pub(super) fn answer(&mut self, connection: ConnectionId, effects: &mut Vec<Effect>) {
        self.owed.remove(&connection);
        let watcher = self.watchers.get_mut(&connection);
        if let Some((request, _)) = watcher.and_then(|watcher| watcher.owed.take()) {
            self.tell(connection, Some(request), None, effects);
        }
    }

    /// Answers those who have waited long enough.
    pub(super) fn answer_late(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let late = self.owed.iter().copied().filter(|connection| {
            let watcher = self.watchers.get(connection);
            let owed = watcher.and_then(|watcher| watcher.owed);
            owed.is_none_or(|(_, since)| since + ANSWERED <= now.monotonic)
        });
        for connection in late.collect::<Vec<_>>() {
            self.answer(connection, effects);
        }
    }
}
