//! Who is online, for the sessions that watch. One per gateway.
//!
//! Each user is looked up at the manager once in [`PERIOD`], however many sessions watch; the period grows with
//! their number, since the rate is bounded. What the manager cannot answer stays as it was known. Each user's
//! setting is asked of the message service, at first and every minute; and for each pair whether the one who is
//! watched has written to the one who watches, until that is so. Whoever may not watch sees what is seen of
//! somebody of whom nothing is known, and no later.
//!
//! - here: what is known of whom, and who watches
//! - [`asking`]: about whom a service is to be asked, and the calls under way; [`turns`]: whose turn it is
//! - [`answers`]: what the services say
//! - [`telling`]: what sessions are told

mod answers;
mod asking;
mod telling;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use asking::Asking;
use chatcluster_protocol::{
    Millis,
    client::{PresenceTo, Presences, RequestId, UserPresence},
    id::UserId,
    planted::{Bug, planted},
};
use turns::Turns;

use crate::{ConnectionId, Locals, Now};

/// How often each watched user is looked up, as long as there are not too many; more often, but not twice as
/// often, where there are few.
const PERIOD: Duration = Duration::from_secs(5);

/// How often it is asked whom each user lets see them, and who is a contact by now, likewise.
const CHECKED: Duration = Duration::from_secs(60);

/// For how long a setting is believed while the message service does not answer.
const BELIEVED: Duration = Duration::from_secs(300);

/// How often a service is asked again after it had no answer.
const RETRY: Duration = Duration::from_secs(10);

/// Users, or pairs, asked about in a second, of each kind of question. All that may be watched have their turn
/// of being checked within [`CHECKED`].
const A_SECOND: usize = 4_000;

/// Users of a lookup, and users or pairs of a call of the message service.
const LOOKED_UP: usize = 256;
const ASKED: usize = 500;

/// Users watched by all sessions together, counted once for each that watches. Each takes up to 900 bytes, where
/// nobody else watches the same.
pub const SIGHTS: usize = 100_000;

/// A route that lives is touched every five minutes. One that was not for so long is left over: the manager did
/// not hear that it was released.
const UNTOUCHED: Duration = Duration::from_secs(11 * 60);

/// Two times of being last seen that are no further apart are the same: gateways' clocks differ.
const SAME: Millis = 60_000;

/// What the shell does for presence, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Who of these is online? The manager is asked. Answered by [`Presence::looked_up`].
    LookUp {
        /// Names the call.
        call: u64,
        /// At most 256.
        users: Vec<UserId>,
    },
    /// Whom does each of these let see when they are online? The message service is asked. Answered by
    /// [`Presence::settings`].
    ReadSettings {
        /// Names the call.
        call: u64,
        /// At most 500.
        users: Vec<UserId>,
    },
    /// Has the second of each pair written to the first? The message service is asked. Answered by
    /// [`Presence::contacts`].
    ReadContacts {
        /// Names the call.
        call: u64,
        /// At most 500.
        pairs: Vec<(UserId, UserId)>,
    },
    /// Tell a session: [`crate::Session::show_presence`]. Where that has no room, or its writer has none,
    /// [`Presence::missed`].
    Tell(ConnectionId, Tell),
    /// Tell a session that its request is refused for now: [`crate::Session::refuse_presence`].
    Refuse(ConnectionId, RequestId),
}

/// What a session is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// They count up in the order in which they were made, whatever the order in which they come.
    pub number: u64,
    /// What.
    pub presences: Presences,
}

/// What the manager says of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// A device of theirs has a route that lives.
    pub online: bool,
    /// How long ago one of them was last known to have.
    pub seen: Option<Duration>,
}

impl Found {
    /// What there is to tell of the user.
    pub fn told(self, user: &UserId, now: Now) -> UserPresence {
        user_presence(user, State::of(self, now))
    }
}

/// Watches for sessions who is online.
#[derive(Debug)]
pub struct Presence {
    watched: BTreeMap<UserId, Watched>,
    watchers: BTreeMap<ConnectionId, Watcher>,
    /// How many users all watchers watch.
    sights: usize,
    /// Those who have not been told everything.
    behind: BTreeSet<ConnectionId>,
    /// Those whose request has no answer.
    owed: BTreeSet<ConnectionId>,
    lookups: Asking<UserId>,
    settings: Asking<UserId>,
    contacts: Asking<(ConnectionId, UserId)>,
    turns: Turns,
}

/// A user whom somebody watches.
#[derive(Debug, Default)]
struct Watched {
    watchers: BTreeSet<ConnectionId>,
    /// As it was known last.
    state: Option<State>,
    /// They were looked up, with an answer or without.
    found: bool,
    looked_up: Duration,
    /// Who may see them, as the message service said last, and when.
    setting: Option<(PresenceTo, Duration)>,
    asked: Duration,
}

/// A session that watches.
#[derive(Debug)]
struct Watcher {
    user: UserId,
    /// At most [`chatcluster_protocol::limits::WATCHED`].
    users: BTreeMap<UserId, Sight>,
    /// A request without an answer, and since when.
    owed: Option<(RequestId, Duration)>,
    /// When it was asked last who of them has become a contact.
    asked: Duration,
    /// How often the session was told something.
    told: u64,
}

/// What a session may see of a user, and what it was told.
#[derive(Debug, Default)]
struct Sight {
    /// Whom the user lets see them was asked since the session watches, with an answer or without.
    heard: bool,
    /// Whether the user has written to the watcher. Without an answer they count as a stranger.
    contact: Option<bool>,
    told: Option<State>,
}

/// What is seen of a user; by default that of somebody of whom nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    online: bool,
    last_seen: Option<Millis>,
}

/// Of whom the sights of which sessions may have changed.
type Changed = BTreeMap<ConnectionId, Vec<UserId>>;

/// Of a user with a session at this very gateway.
const HERE: State = State { online: true, last_seen: None };

impl State {
    fn of(found: Found, now: Now) -> Self {
        let online = found.online && found.seen.is_none_or(|seen| seen < UNTOUCHED);
        let ago = found.seen.filter(|_| !online).map(|seen| seen.as_millis() as u64);
        Self { online, last_seen: ago.map(|ago| now.wall.saturating_sub(ago)) }
    }

    /// Nothing that anybody would have to be told lies between the two.
    fn is_like(&self, other: &Self) -> bool {
        let apart = match (self.last_seen, other.last_seen) {
            (Some(one), Some(other)) => one.abs_diff(other),
            (None, None) => 0,
            _ => return false,
        };
        self.online == other.online && apart <= SAME
    }
}

impl Watcher {
    /// Whether the session may see this user; `None` while that is not known.
    fn may_see(&self, user: &UserId, sight: &Sight, watched: &Watched) -> Option<bool> {
        if *user == self.user || planted(Bug::PrivacyNotAsked) {
            return Some(true);
        }
        match watched.setting {
            _ if !sight.heard => None,
            None => Some(false),
            Some((PresenceTo::Nobody, _)) => Some(false),
            Some((PresenceTo::Contacts, _)) => sight.contact,
            Some((PresenceTo::Everybody, _)) => Some(true),
        }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            watched: BTreeMap::new(),
            watchers: BTreeMap::new(),
            sights: 0,
            behind: BTreeSet::new(),
            owed: BTreeSet::new(),
            lookups: Asking::new(A_SECOND, LOOKED_UP, PERIOD),
            settings: Asking::new(A_SECOND, ASKED, RETRY),
            contacts: Asking::new(A_SECOND, ASKED, RETRY),
            turns: Turns::default(),
        }
    }
}

impl Presence {
    /// A session watches these users from now on, in place of those before. `request` is answered within 2 s,
    /// or refused when the gateway watches as many as it can; then nothing has changed.
    pub fn watch(
        &mut self,
        now: Now,
        connection: ConnectionId,
        user: &UserId,
        (request, users): (RequestId, Vec<UserId>),
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let wanted: BTreeSet<UserId> = users.into_iter().collect();
        let before = self.watchers.get(&connection).map_or(0, |watcher| watcher.users.len());
        if wanted.len() > before && self.sights - before + wanted.len() > SIGHTS {
            return effects.push(Effect::Refuse(connection, request));
        }
        self.answer(connection, effects);
        let watcher = self.watchers.entry(connection).or_insert_with(|| Watcher {
            user: user.clone(),
            users: BTreeMap::new(),
            owed: None,
            asked: now.monotonic,
            told: 0,
        });
        watcher.owed = Some((request, now.monotonic));
        self.owed.insert(connection);
        let left: Vec<_> =
            watcher.users.keys().filter(|user| !wanted.contains(*user)).cloned().collect();
        for user in left {
            self.leave(connection, &user);
        }
        let mut changed = Changed::new();
        for user in wanted {
            self.enter(connection, user, locals, &mut changed);
        }
        self.tell_all(changed, effects);
        self.ask(now, effects);
        self.answer_if_known(connection, effects);
    }

    /// A session has ended.
    pub fn unwatch(&mut self, connection: ConnectionId) {
        let Some(watcher) = self.watchers.get(&connection) else { return };
        for user in watcher.users.keys().cloned().collect::<Vec<_>>() {
            self.leave(connection, &user);
        }
        self.watchers.remove(&connection);
        self.behind.remove(&connection);
        self.owed.remove(&connection);
    }

    fn enter(
        &mut self,
        connection: ConnectionId,
        user: UserId,
        locals: &Locals,
        changed: &mut Changed,
    ) {
        let Some(watcher) = self.watchers.get_mut(&connection) else { return };
        let watched = self.watched.entry(user.clone()).or_default();
        let here = locals.of_user(&user).next().is_some();
        if !here && !watched.found {
            self.lookups.want(user.clone());
        }
        if watched.watchers.insert(connection) {
            self.sights += 1;
            // Also where it is known: who hides is not to be shown to somebody who comes only then.
            self.settings.want(user.clone());
            let strangers = watched.setting.is_none_or(|(to, _)| to == PresenceTo::Contacts);
            if strangers && user != watcher.user {
                self.contacts.want((connection, user.clone()));
            }
            watcher.users.insert(user.clone(), Sight::default());
        }
        if here {
            self.learn(&user, Some(HERE), changed);
        }
    }

    fn leave(&mut self, connection: ConnectionId, user: &UserId) {
        let watcher = self.watchers.get_mut(&connection);
        if watcher.is_none_or(|watcher| watcher.users.remove(user).is_none()) {
            return;
        }
        self.sights -= 1;
        self.contacts.forget(&(connection, user.clone()));
        if let Some(watched) = self.watched.get_mut(user) {
            watched.watchers.remove(&connection);
            if watched.watchers.is_empty() {
                self.watched.remove(user);
                self.lookups.forget(user);
                self.settings.forget(user);
            }
        }
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, locals: &Locals, effects: &mut Vec<Effect>) {
        self.lookups.begin_second(now.monotonic);
        self.settings.begin_second(now.monotonic);
        self.contacts.begin_second(now.monotonic);
        let mut changed = Changed::new();
        self.look_up_again(now, locals, &mut changed);
        self.ask_settings_again(now);
        self.ask_contacts_again(now);
        self.ask(now, effects);
        self.answer_late(now, effects);
        self.tell_all(changed, effects);
        self.tell_again(effects);
    }

    /// Makes the calls that this second allows.
    fn ask(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some((call, users)) = self.lookups.call() {
            for user in &users {
                if let Some(watched) = self.watched.get_mut(user) {
                    watched.looked_up = now.monotonic;
                }
            }
            effects.push(Effect::LookUp { call, users });
        }
        while let Some((call, users)) = self.settings.call() {
            for user in &users {
                if let Some(watched) = self.watched.get_mut(user) {
                    watched.asked = now.monotonic;
                }
            }
            effects.push(Effect::ReadSettings { call, users });
        }
        while let Some((call, keys)) = self.contacts.call() {
            // (A pair of whom the watcher has gone is forgotten, and not among these.)
            let pairs = keys.into_iter().map(|(connection, user)| {
                let watcher = self.watchers.get(&connection);
                (watcher.map_or_else(|| user.clone(), |watcher| watcher.user.clone()), user)
            });
            effects.push(Effect::ReadContacts { call, pairs: pairs.collect() });
        }
    }
}

fn user_presence(user: &UserId, state: State) -> UserPresence {
    let State { online, last_seen } = state;
    UserPresence { user: user.clone(), online, last_seen }
}

#[cfg(test)]
mod tests;
