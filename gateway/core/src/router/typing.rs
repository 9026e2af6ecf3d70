//! Who is told that somebody is typing: the devices that are connected now. It is worth something for
//! seconds only, so it is never sent again, and whatever does not go at once is dropped.
//!
//! Nothing names the devices, as an append does for a message: they are all that the manager has a route of.
//! It is asked once for each user in [`KNOWN_FOR`], whoever types to them; the routes go into the cache,
//! where the message will find them that is being typed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use chatcluster_protocol::{
    id::{DeviceId, UserId},
    planted::{Bug, planted},
};

use super::{Effect, Router};
use crate::{Away, Device, Gateway, Locals, Now, Route, Target};

/// How long the routes of a user count as all that there are.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// How old it may be when the manager has answered.
const LATE: Duration = Duration::from_secs(2);

/// Most users whose routes have been asked for lately, most that are asked for in one lookup (there is one at
/// a time), and most that wait for the routes of one user.
const USERS: usize = 4_096;
const BATCH: usize = 256;
const WAITING: usize = 4;

/// A typing whose clock at the sender's gateway is this far from that of the receiver's came late, or the
/// clocks are wrong: either way it is dropped.
const APART: u64 = 10_000;

/// Why nobody was told, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypingCounts {
    /// The user has no device that is connected.
    pub nobody: u64,
    /// The manager's answer, or the frame of a peer, came too late.
    pub late: u64,
    /// The manager did not answer.
    pub manager_away: u64,
    /// Too many wait for routes.
    pub lookups_full: u64,
    /// Messages wait for the gateway that has the device, or it does not answer.
    pub peer_busy: u64,
}

/// Bounded by [`USERS`] and [`WAITING`].
#[derive(Debug, Default)]
pub(super) struct Typing {
    audiences: BTreeMap<UserId, Audience>,
    due: BTreeSet<UserId>,
    flying: Option<(u64, Vec<UserId>)>,
    swept: Duration,
    pub(super) counts: TypingCounts,
}

/// A user that somebody types to.
#[derive(Debug)]
struct Audience {
    /// When their routes were asked for.
    asked: Duration,
    /// What waits for the answer, until it comes.
    waiting: Option<Vec<News>>,
}

/// That somebody is typing.
#[derive(Debug)]
struct News {
    since: Now,
    frame: Bytes,
}

/// The routes of each user of a lookup.
type Found = Result<Vec<Vec<(DeviceId, Route)>>, Away>;

impl Typing {
    /// The user's routes have been asked for, and the manager has answered.
    fn knows(&self, now: Now, user: &UserId) -> bool {
        let audience = self.audiences.get(user);
        audience.is_some_and(|audience| audience.waiting.is_none() && audience.is_fresh(now))
    }

    /// Keeps it until the user's routes are known.
    fn wait(&mut self, to: &UserId, news: News) {
        let now = news.since;
        if self.audiences.len() >= USERS && now.monotonic >= self.swept + Duration::from_secs(1) {
            self.swept = now.monotonic;
            self.audiences
                .retain(|_, audience| audience.waiting.is_some() || audience.is_fresh(now));
        }
        let full = self.audiences.len() >= USERS;
        match self.audiences.get_mut(to) {
            Some(Audience { waiting: Some(waiting), .. }) if waiting.len() < WAITING => {
                waiting.push(news);
            }
            Some(Audience { waiting: Some(_), .. }) => self.counts.lookups_full += 1,
            None if full => self.counts.lookups_full += 1,
            _ => {
                let audience = Audience { asked: now.monotonic, waiting: Some(vec![news]) };
                self.audiences.insert(to.clone(), audience);
                self.due.insert(to.clone());
            }
        }
    }

    /// Begins the next lookup, if there is one to begin.
    pub(super) fn begin(&mut self, number: impl FnOnce() -> u64) -> Option<(u64, Vec<UserId>)> {
        if self.due.is_empty() || self.flying.is_some() {
            return None;
        }
        let users: Vec<_> = std::iter::from_fn(|| self.due.pop_first()).take(BATCH).collect();
        self.flying = Some((number(), users));
        self.flying.clone()
    }

    fn end(&mut self, lookup: u64) -> Option<Vec<UserId>> {
        self.flying.take_if(|(flying, _)| *flying == lookup).map(|(_, users)| users)
    }
}

impl Audience {
    fn is_fresh(&self, now: Now) -> bool {
        now.monotonic < self.asked + KNOWN_FOR
    }
}

impl Router {
    /// Tells a user's devices that somebody is typing; `frame` is the push.
    pub fn typing(
        &mut self,
        now: Now,
        to: &UserId,
        frame: Bytes,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        for (_, local) in locals.of_user(to) {
            let (connection, epoch, frame) = (local.connection, local.epoch, frame.clone());
            effects.push(Effect::LocalTyping { connection, epoch, frame });
        }
        let news = News { since: now, frame };
        if self.typing.knows(now, to) {
            self.tell_elsewhere(to, news, locals, effects);
        } else {
            self.typing.wait(to, news);
        }
        self.flush(now, effects);
    }

    /// A peer says that somebody is typing, as of `at` by its wall clock. Whether it is still worth anything.
    pub fn is_timely(&mut self, now: Now, at: u64) -> bool {
        let timely = now.wall.abs_diff(at) <= APART || planted(Bug::LateTypingShown);
        self.typing.counts.late += u64::from(!timely);
        timely
    }

    /// Why nobody was told.
    pub fn typing_counts(&self) -> TypingCounts {
        self.typing.counts
    }

    /// Answers the lookup, if it is one of these; else gives `found` back.
    pub(super) fn typing_routes(
        &mut self,
        now: Now,
        lookup: u64,
        found: Found,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) -> Option<Found> {
        let Some(users) = self.typing.end(lookup) else { return Some(found) };
        let away = found.is_err();
        let mut found = found.unwrap_or_default().into_iter();
        for user in users {
            for (device, route) in found.next().unwrap_or_default() {
                if !self.own.contains(&route.gateway.incarnation) {
                    self.cache.insert(Device { user: user.clone(), device }, route);
                }
            }
            let audience = self.typing.audiences.get_mut(&user);
            for news in audience.and_then(|audience| audience.waiting.take()).unwrap_or_default() {
                if away {
                    self.typing.counts.manager_away += 1;
                } else if now.monotonic > news.since.monotonic + LATE {
                    self.typing.counts.late += 1;
                } else {
                    self.tell_elsewhere(&user, news, locals, effects);
                }
            }
        }
        None
    }

    /// Tells the devices whose routes to other gateways are known: one frame for each gateway.
    fn tell_elsewhere(
        &mut self,
        to: &UserId,
        news: News,
        locals: &Locals,
        effects: &mut Vec<Effect>,
    ) {
        let mut gateways = BTreeMap::<Gateway, Vec<Target>>::new();
        for (device, route) in self.cache.of_user(to) {
            if locals.get(device).is_none() {
                let Route { gateway, connection, epoch } = route.clone();
                let target = Target { device: device.clone(), connection, epoch };
                gateways.entry(gateway).or_default().push(target);
            }
        }
        if gateways.is_empty() && locals.of_user(to).next().is_none() {
            self.typing.counts.nobody += 1;
        }
        for (gateway, targets) in gateways {
            let peer = self.peers.get(&gateway.incarnation);
            if peer.is_some_and(|peer| !peer.is_open() || peer.waiting() > 0) {
                self.typing.counts.peer_busy += 1;
                continue;
            }
            let (at, frame) = (news.since.wall, news.frame.clone());
            effects.push(Effect::RemoteTyping { gateway, at, frame, targets });
        }
    }
}
