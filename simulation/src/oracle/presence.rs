//! Who is told that somebody is online: never one from whom that user hides, and in the end everybody else.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_manager::Manager;
use chatcluster_protocol::{
    client::{PresenceTo, Presences},
    id::{ConversationId, MessageId, UserId},
};
use futures_util::FutureExt;
use gateway_core::{ConnectionId, Device};
use messages_core::{
    key::{self, Key},
    record::{Corrupt, Delivered, Privacy, To, decode},
    repository::Append,
};

use super::Oracle;
use crate::{
    client::Client,
    clock::{S, Time},
    coverage::hit,
    faults::Kind,
    network::Node,
    storage::Replica,
    world::World,
};

/// How long it may take until everybody knows who is online and who hides: gateways check once in a minute, and
/// again after 10 s where there was no answer.
pub(crate) const KNOWN: Time = 80 * S;

/// How long it may take until everybody knows who has come or gone: two periods of lookups, and an answer.
const NOTICED: Time = 15 * S;

/// How long a user may look online without a session: a lease, a period of lookups, and two answers of the
/// manager.
const GONE: Time = 15 * S + 5 * S + 6 * S + 4 * S;

/// What is needed to know it.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Who has written to whom.
    wrote: BTreeSet<(UserId, UserId)>,
    /// Who has ever let everybody see them.
    open: BTreeSet<UserId>,
    /// Who lets nobody see them, and since when that is stored.
    hidden: BTreeMap<UserId, Time>,
    /// When something last arrived of whom, the second, at whom: that is what makes contacts.
    arrived: BTreeMap<(UserId, UserId), Time>,
    /// When each user last had a session.
    here: BTreeMap<UserId, Time>,
    /// Who was online a little before the end.
    online: BTreeSet<UserId>,
}

impl Oracle {
    /// These are to be stored.
    pub(crate) fn writes_to(&mut self, appends: &[Append]) {
        for Append { message, .. } in appends {
            let To::User(to) = &message.to else { continue };
            self.presence.wrote.insert((message.from.clone(), to.clone()));
        }
    }

    /// A user is about to let others see them, or not.
    pub(crate) fn hides(&mut self, user: &UserId, to: PresenceTo) {
        self.presence.hidden.remove(user);
        if to == PresenceTo::Everybody {
            self.presence.open.insert(user.clone());
        }
    }

    /// A replica knows that a user has what somebody has written.
    pub(super) fn arrives(&mut self, now: Time, user: &UserId, id: MessageId) {
        if let Some(number) = self.by_identity.get(&id.identity()) {
            let pair = (user.clone(), self.messages[*number].from.user.clone());
            self.presence.arrived.insert(pair, now);
        }
    }

    /// That is stored.
    pub(crate) fn hidden(&mut self, now: Time, user: &UserId, to: PresenceTo) {
        if to == PresenceTo::Nobody {
            self.presence.hidden.insert(user.clone(), now);
        }
    }
}

impl World {
    /// In gentle worlds: who has a session, as of each second.
    pub(crate) fn note_who_is_here(&mut self) {
        self.at(self.now + S, Self::note_who_is_here);
        let here = self.here();
        self.oracle.presence.here.extend(here.into_iter().map(|user| (user, self.now)));
    }

    fn here(&self) -> BTreeSet<UserId> {
        let gateways = self.gateways.iter().enumerate();
        let up = gateways.filter(|(at, _)| self.processes.is_up(Node::Gateway(*at)));
        let cells = up.flat_map(|(_, gateway)| gateway.cells.values()).filter(|cell| cell.listed);
        cells.filter_map(|cell| cell.session.device()).map(|device| device.user.clone()).collect()
    }

    /// A gateway tells a session who is online.
    pub(crate) fn check_told(
        &mut self,
        at: usize,
        connection: ConnectionId,
        presences: &Presences,
    ) {
        let cell = self.gateways[at].cells.get(&connection);
        let Some(Device { user: watcher, .. }) =
            cell.and_then(|cell| cell.session.device().cloned())
        else {
            return;
        };
        // Where storage and the ways to it work, a setting takes effect in time.
        let steady = self.shape.mood.within().is_some();
        let shows = presences.users.iter().filter(|one| one.online || one.last_seen.is_some());
        for one in shows.filter(|one| one.user != watcher) {
            let presence = &self.oracle.presence;
            let known = presence.wrote.contains(&(one.user.clone(), watcher.clone()));
            let hidden = presence.hidden.get(&one.user).copied();
            if !known && !presence.open.contains(&one.user) {
                let what = format!("{watcher} is told of {one:?}, a stranger");
                return self.violated("presence", what);
            }
            if let Some(since) = hidden.filter(|since| steady && since + KNOWN < self.now) {
                let what = format!("{watcher} is told of {one:?}, who hides since {since}");
                return self.violated("presence", what);
            }
            if one.online && self.is_long_gone(&one.user) {
                let what = format!("{watcher} is told of {one:?}, who has had no session for long");
                return self.violated("presence", what);
            }
        }
    }

    /// In gentle worlds whose manager is never late either: a claim that is carried out after its session has
    /// ended leaves a route that nobody touches.
    fn is_long_gone(&self, user: &UserId) -> bool {
        let late = self.shape.faults.iter().any(|one| matches!(one.kind, Kind::ManagerLate(_)));
        let last = self.oracle.presence.here.get(user).copied().unwrap_or(0);
        self.shape.mood.is_gentle()
            && !late
            && last + GONE < self.now
            && !self.here().contains(user)
    }

    /// Whoever comes or goes from now on need not have been noticed when sights are checked.
    pub(crate) fn check_sights_soon(&mut self) {
        self.oracle.presence.online = self.online();
        self.at(self.now + NOTICED, Self::check_sights);
    }

    /// Everybody has watched everybody for long enough: each sees what there is to see, and no more. Then
    /// the last promise: a gateway dies just when all devices of one of its users go without a word, and once its
    /// lease is over nobody takes them for online.
    fn check_sights(&mut self) {
        if let Some(what) = self.sight_lacks(&BTreeSet::new()) {
            self.violated("presence", what);
        }
        let all = self.clients.iter();
        let held = all.filter_map(|one| Some((one.home.user.clone(), one.link.as_ref()?)));
        let held: Vec<_> = held.filter(|(_, link)| link.is_welcomed()).collect();
        let watched = |user: &UserId| {
            let wrote = self.oracle.presence.wrote.iter();
            wrote.filter(|(from, to)| from == user && to != user).count()
        };
        let Some((user, link)) = held.iter().max_by_key(|(user, _)| watched(user)) else {
            self.over = true;
            return;
        };
        let (user, gateway) = (user.clone(), link.gateway);
        hit("presence: gateway dies with its user");
        for device in 0..self.clients.len() {
            if self.clients[device].home.user == user {
                self.client_offline(device, false);
            }
        }
        self.crash_gateway(gateway, false);
        // What it has written may be under way; then the others come back to other gateways.
        self.at(self.now + GONE + 30 * S, move |world| {
            if let Some(what) = world.sight_lacks(&BTreeSet::from([user])) {
                world.violated("presence", what);
            }
            world.over = true;
        });
    }

    /// What somebody sees that is not so. `gone`: users of whom nothing is there any more.
    fn sight_lacks(&self, gone: &BTreeSet<UserId>) -> Option<String> {
        let truth = self.online();
        let mut news: BTreeSet<&UserId> =
            truth.symmetric_difference(&self.oracle.presence.online).collect();
        news.extend(self.clients.iter().filter(|one| self.is_new(one)).map(|one| &one.home.user));
        for client in self.clients.iter() {
            let link = client.link.as_ref().filter(|link| link.is_welcomed());
            if link.is_none() || self.is_new(client) || client.reads_from > self.now {
                continue;
            }
            let watcher = &client.home.user;
            for (user, sees) in &client.watching.sight {
                // The manager may have missed a release; that route counts until it was not touched for long.
                if gone.contains(user) && truth.contains(user) && !self.shape.mood.is_gentle() {
                    hit("presence: left over");
                    continue;
                }
                let online = truth.contains(user) && !gone.contains(user);
                let may = match self.may_see(watcher, user) {
                    _ if !gone.is_empty() && !gone.contains(user) => continue,
                    _ if gone.is_empty() && news.contains(user) => continue,
                    // Not all replicas have the same: it depends on who is asked.
                    None => continue,
                    Some(may) => may,
                };
                if *sees != (online && may) {
                    let home = &client.home;
                    return Some(format!(
                        "{home:?} sees {user} online: {sees}; is: {online}, may be seen: {may}"
                    ));
                }
                hit(if *sees { "presence: seen" } else { "presence: not seen" });
            }
        }
        None
    }

    /// It came just now.
    fn is_new(&self, client: &Client) -> bool {
        let since = client.link.as_ref().and_then(|link| link.welcomed_at);
        since.is_some_and(|at| at + NOTICED > self.now)
    }

    /// Who has a route that lives.
    fn online(&self) -> BTreeSet<UserId> {
        let users: Vec<_> = (0..self.shape.users.len()).map(crate::client::user_id).collect();
        let routes = self.manager_now().routes(&users).now_or_never().and_then(Result::ok);
        let found = users.into_iter().zip(routes.unwrap_or_default());
        found.filter(|(_, routes)| !routes.is_empty()).map(|(user, _)| user).collect()
    }

    /// Whether a user lets another one see them, where all majorities say the same, and have for long enough.
    fn may_see(&self, watcher: &UserId, user: &UserId) -> Option<bool> {
        let privacy = self.copies(&key::privacy(user), decode::<Privacy>);
        let latest = privacy.iter().flatten().max();
        let count = privacy.iter().flatten().filter(|one| Some(*one) == latest).count();
        if latest.is_some() && count <= self.replicas.len() / 2 {
            return None;
        }
        let conversation = ConversationId::between(watcher, user);
        let received = key::delivered(watcher, conversation, user);
        let received = self.copies(&received, decode::<Delivered>);
        let received = received.iter().flatten().count();
        let arrived = self.oracle.presence.arrived.get(&(watcher.clone(), user.clone()));
        match latest.map(|privacy| privacy.presence_to()).unwrap_or_default() {
            _ if watcher == user => Some(true),
            PresenceTo::Nobody => Some(false),
            PresenceTo::Everybody => Some(true),
            _ if arrived.is_some_and(|at| at + KNOWN > self.now) => None,
            PresenceTo::Contacts if received == 0 => Some(false),
            PresenceTo::Contacts => (received > self.replicas.len() / 2).then_some(true),
        }
    }

    /// What each replica has under a key.
    fn copies<T>(
        &self,
        key: &Key,
        read: impl Fn(&[u8], &[u8]) -> Result<Option<T>, Corrupt>,
    ) -> Vec<Option<T>> {
        let of = |replica: &Replica| read(key, replica.view.map().get(key)?).ok().flatten();
        self.replicas.iter().map(of).collect()
    }
}
