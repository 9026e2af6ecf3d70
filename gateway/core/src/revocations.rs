//! Ends the sessions whose tokens are revoked while they are open. One per gateway.
//!
//! A session's opening says whose it is, then asks the message service, whose answer tells what was revoked
//! before. What is revoked after that is in a list that the gateway reads every second, and compares with
//! all its sessions. So one of the two sees it, also while the manager is away. Of several replicas one may
//! have it first: then the list may have it, and the answer to a later opening not. So an opening goes by what
//! the list has, too.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};

use crate::{Away, Device, Now};

/// How long the list may go unread before something may have been missed; the service keeps it for an hour.
const KEPT: Duration = Duration::from_secs(50 * 60);

/// Tokens that are not accepted any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revocation {
    /// Whose.
    pub user: UserId,
    /// Of this device alone.
    pub device: Option<DeviceId>,
    /// Those that were issued before this.
    pub before: Millis,
}

impl Revocation {
    /// The latest of these that is about a device.
    pub fn latest<'a>(all: impl IntoIterator<Item = &'a Self>, of: &Device) -> Option<Millis> {
        let about = |one: &&Self| {
            one.user == of.user && one.device.as_ref().is_none_or(|device| *device == of.device)
        };
        all.into_iter().filter(about).map(|one| one.before).max()
    }
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What was revoked. Some may have come before.
    pub revocations: Vec<Revocation>,
    /// Where to go on.
    pub next: Bytes,
    /// There are more at once.
    pub more: bool,
}

/// What the shell does for the revocations, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read a page of the list from here. Answered by [`Revocations::read`].
    Read(Bytes),
    /// `Input::Revoked` to every session of these, however far it is; see [`Revocation::latest`].
    Revoke(Vec<Revocation>),
    /// The list was not read for too long: [`crate::Registrar::check_all`].
    CheckAll,
}

/// Reads what is revoked.
#[derive(Debug)]
pub struct Revocations {
    next: Bytes,
    reading: bool,
    /// The last page was not the end.
    more: bool,
    /// When the list was read to its end. Before the first time there is no session either.
    read: Duration,
    /// What has been told and may come again.
    told: BTreeSet<Revocation>,
}

impl Revocations {
    /// A gateway starts.
    pub fn new(now: Now) -> Self {
        let (next, told) = (Bytes::new(), BTreeSet::new());
        Self { next, reading: false, more: false, read: now.monotonic, told }
    }

    /// What the end of the list has of a device, for a session that opens. What is not on a majority of
    /// replicas yet stays there until it is, or until nobody waits for that any more.
    pub fn listed(&self, of: &Device) -> Option<Millis> {
        let least = Revocation { user: of.user.clone(), device: None, before: 0 };
        let theirs = self.told.range(least..).take_while(|one| one.user == of.user);
        Revocation::latest(theirs, of)
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, effects: &mut Vec<Effect>) {
        if !self.reading {
            self.reading = true;
            effects.push(Effect::Read(self.next.clone()));
        }
    }

    /// Answers [`Effect::Read`].
    pub fn read(&mut self, now: Now, page: Result<Page, Away>, effects: &mut Vec<Effect>) {
        self.reading = false;
        let Ok(Page { revocations, next, more }) = page else { return };
        let new: Vec<_> =
            revocations.iter().filter(|one| !self.told.contains(one)).cloned().collect();
        if !new.is_empty() {
            effects.push(Effect::Revoke(new));
        }
        self.next = next;
        if !std::mem::replace(&mut self.more, more) {
            // This page began a little before the end of the last one.
            self.told.clear();
        }
        self.told.extend(revocations);
        if more {
            return self.tick(effects);
        }
        if now.monotonic.saturating_sub(self.read) > KEPT {
            effects.push(Effect::CheckAll);
        }
        self.read = now.monotonic;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{device, seconds, user};

    fn revocation(name: &str, of: Option<&str>, before: Millis) -> Revocation {
        let device = of.map(|of| DeviceId::new(of).unwrap());
        Revocation { user: user(name), device, before }
    }

    fn page(revocations: &[Revocation], next: &'static str, more: bool) -> Result<Page, Away> {
        Ok(Page { revocations: revocations.to_vec(), next: next.into(), more })
    }

    struct World(Revocations);

    impl World {
        fn tick(&mut self) -> Vec<Effect> {
            let mut effects = Vec::new();
            self.0.tick(&mut effects);
            effects
        }

        fn read(&mut self, at: u64, page: Result<Page, Away>) -> Vec<Effect> {
            let mut effects = Vec::new();
            self.0.read(seconds(at), page, &mut effects);
            effects
        }
    }

    #[test]
    fn the_list_is_read_on_and_each_revocation_is_told_once() {
        let mut w = World(Revocations::new(seconds(100)));
        let (bob, eve) = (revocation("bob", None, 1), revocation("eve", Some("phone"), 2));
        assert_eq!(w.tick(), [Effect::Read(Bytes::new())]);
        assert_eq!(w.tick(), [], "one at a time");
        let more = [Effect::Revoke(vec![bob.clone()]), Effect::Read("1".into())];
        assert_eq!(w.read(100, page(std::slice::from_ref(&bob), "1", true)), more);
        let told = [Effect::Revoke(vec![eve.clone()])];
        assert_eq!(w.read(100, page(&[bob.clone(), eve.clone()], "2", false)), told);
        assert_eq!(w.tick(), [Effect::Read("2".into())]);
        assert_eq!(w.read(101, Err(Away)), []);
        assert_eq!(w.tick(), [Effect::Read("2".into())]);
        assert_eq!(w.read(102, page(&[bob, eve], "3", false)), []);
    }

    /// One replica may have it before the others do, of which a session's opening may ask two.
    #[test]
    fn what_the_list_has_is_for_sessions_that_open_later_too() {
        let mut w = World(Revocations::new(seconds(100)));
        let (bob, phone) = (revocation("bob", None, 3), revocation("bob", Some("phone"), 5));
        let (bo, bobby) = (revocation("bo", None, 8), revocation("bobby", None, 9));
        let listed = |w: &World, name, of| w.0.listed(&device(name, of));
        assert_eq!(listed(&w, "bob", "phone"), None);
        w.tick();
        w.read(100, page(&[bob, phone.clone(), bo, bobby], "1", false));
        assert_eq!(listed(&w, "bob", "phone"), Some(5));
        assert_eq!(listed(&w, "bob", "laptop"), Some(3));
        assert_eq!(listed(&w, "alice", "phone"), None);
        w.tick();
        w.read(101, page(&[phone], "2", false));
        assert_eq!(listed(&w, "bob", "phone"), Some(5));
        assert_eq!(listed(&w, "bob", "laptop"), None, "by now the answer has it");
    }

    #[test]
    fn after_the_list_was_away_for_long_all_sessions_are_checked() {
        let mut w = World(Revocations::new(seconds(100)));
        for (at, check) in [(3_000, false), (6_000, false), (9_001, true), (9_002, false)] {
            w.tick();
            w.read(at - 1, Err(Away));
            w.tick();
            let checks = w.read(at, page(&[], "1", false)) == [Effect::CheckAll];
            assert_eq!(checks, check, "{at}");
        }
    }

    #[test]
    fn the_latest_that_is_about_a_device_counts() {
        let all = [
            revocation("bob", None, 3),
            revocation("bob", Some("phone"), 5),
            revocation("bob", Some("laptop"), 9),
            revocation("eve", None, 7),
        ];
        let latest = |name, of| Revocation::latest(&all, &device(name, of));
        assert_eq!(latest("bob", "phone"), Some(5));
        assert_eq!(latest("bob", "watch"), Some(3));
        assert_eq!(latest("eve", "phone"), Some(7));
        assert_eq!(latest("alice", "phone"), None);
    }
}
