//! Devices that are removed, and tokens that are revoked: what they were owed has met its end, sessions end
//! soon, nobody comes back with an old token, and everybody else is left alone.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, MessageId, UserId},
};
use gateway_core::{Device, session::Phase};
use messages_core::{
    key::{self, Table},
    record::{self, Registry},
};

use crate::{
    client::Client,
    clock::{MS, S, START, Time},
    coverage::hit,
    trace::trace,
    world::World,
};

/// How long a session may last by a token that was revoked, where gateways and storage do their work: the
/// list is read every second.
const SOON: Time = 4 * S;

/// How far the clocks of pods and replicas may be apart, in milliseconds.
const PODS_APART: Millis = 1_000;

/// What backends have asked for, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// What was asked for, whatever came of it.
    asked: Vec<Revoked>,
    /// What is certain, and since when.
    revoked: Vec<(Revoked, Time)>,
    removals: BTreeMap<Device, Removal>,
    /// Calls that register a device, and have no answer.
    registering: BTreeMap<Device, usize>,
}

#[derive(Debug)]
struct Revoked {
    user: UserId,
    device: Option<DeviceId>,
    before: Millis,
}

impl Revoked {
    fn is_about(&self, device: &Device) -> bool {
        self.user == device.user && self.device.as_ref().is_none_or(|name| *name == device.device)
    }
}

/// A device that somebody wants to be removed.
#[derive(Debug, Default)]
struct Removal {
    /// When a replica has lost it last.
    left: Option<Time>,
    /// It is certain that the next one to register it finds it new.
    gone: bool,
}

impl super::Oracle {
    /// A pod begins to do what a backend wants.
    pub(crate) fn ordered(
        &mut self,
        user: &UserId,
        device: Option<&DeviceId>,
        before: Millis,
        removal: bool,
    ) {
        let (user, device) = (user.clone(), device.cloned());
        if let (true, Some(device)) = (removal, device.clone()) {
            let device = Device { user: user.clone(), device };
            self.leaving.removals.entry(device).or_default();
        }
        self.leaving.asked.push(Revoked { user, device, before });
    }

    /// It is certain that tokens are revoked.
    pub(crate) fn revoked(
        &mut self,
        now: Time,
        user: UserId,
        device: Option<DeviceId>,
        before: Millis,
    ) {
        self.leaving.revoked.push((Revoked { user, device, before }, now));
    }

    /// A device is about to be registered. Says whether it must be new then.
    pub(crate) fn registers(&mut self, device: &Device) -> bool {
        *self.leaving.registering.entry(device.clone()).or_default() += 1;
        let removal = self.leaving.removals.get_mut(device);
        removal.is_some_and(|removal| std::mem::take(&mut removal.gone))
    }

    /// A call that has registered nothing took the place of the one that must find it new.
    fn stays_gone(&mut self, device: &Device, gone: bool) {
        let calls = self.leaving.registering.get(device).copied().unwrap_or_default();
        if let Some(removal) = self.leaving.removals.get_mut(device) {
            removal.gone |= gone && calls == 0;
        }
    }

    /// There is an answer to that, or will be none.
    pub(crate) fn has_registered(&mut self, device: &Device) {
        if let Some(calls) = self.leaving.registering.get_mut(device) {
            *calls -= 1;
        }
    }

    /// Whether a device was in use when a replica lost it.
    pub(super) fn was_removed(&self, device: &Device) -> bool {
        self.leaving.removals.get(device).is_some_and(|removal| removal.left.is_some())
    }

    /// Whether what a replica has for a device that it does not know may go. Also if nobody was ever told that the device
    /// is known: the only replica that knew may have lost its disk since.
    pub(super) fn may_be_cleared(&self, device: &Device, id: MessageId) -> bool {
        let number = self.by_identity.get(&id.identity());
        let owed = number.is_some_and(|number| self.messages[*number].owed.contains(device));
        !owed || self.was_removed(device)
    }

    /// Until when tokens of a device may have been revoked.
    fn may_be_revoked(&self, device: &Device) -> Millis {
        let about = self.leaving.asked.iter().filter(|one| one.is_about(device));
        about.map(|one| one.before).max().unwrap_or_default()
    }

    /// Until when tokens of a device were revoked that long ago.
    fn is_revoked(&self, device: &Device, until: Time) -> Millis {
        let about = |(one, at): &&(Revoked, Time)| *at <= until && one.is_about(device);
        let about = self.leaving.revoked.iter().filter(about);
        about.map(|(one, _)| one.before).max().unwrap_or_default()
    }

    /// A replica does not know a device any more: what it was owed has met its end, and nothing is certain
    /// until it registers again.
    fn left(&mut self, now: Time, device: &Device) {
        self.registered.remove(device);
        for message in &mut self.messages {
            message.owed.retain(|owed| owed != device);
        }
        if let Some(removal) = self.leaving.removals.get_mut(device) {
            removal.left = Some(now);
        }
    }
}

impl World {
    /// A replica has lost a device.
    pub(super) fn check_left(&mut self, device: &Device) {
        if !self.oracle.leaving.removals.contains_key(device) {
            let what = format!("{device:?} is registered no more, and nobody wanted that");
            return self.violated("removal", what);
        }
        trace!(self, "oracle", "{device:?} has left");
        self.oracle.left(self.now, device);
    }

    /// A removal is done; it was asked for at `first`. `there`: there was something to remove.
    pub(crate) fn check_removed(&mut self, device: &Device, first: Millis, there: bool) {
        if !there {
            hit("removal: nothing there");
            return;
        }
        hit("removal: done");
        let before = first.saturating_sub(PODS_APART);
        self.oracle.revoked(self.now, device.user.clone(), Some(device.device.clone()), before);
        if self.is_registered(device) {
            // It is back already.
            return;
        }
        let waiting = self.inbox_of(device);
        if let Some(id) = waiting.first() {
            let what = format!("{device:?} is removed, and {id} still waits for it");
            return self.violated("removal", what);
        }
        let calls = self.oracle.leaving.registering.get(device).copied().unwrap_or_default();
        if let Some(removal) = self.oracle.leaving.removals.get_mut(device) {
            removal.gone = calls == 0;
        }
    }

    /// A device was made known, or was known, by a call that was made at `asked`.
    pub(crate) fn check_known(
        &mut self,
        device: &Device,
        asked: Time,
        created: bool,
        issued: Millis,
    ) {
        let before = self.oracle.is_revoked(device, asked);
        if created && issued < before {
            let what = format!("{device:?} is made known by a token of {issued}, revoked {before}");
            self.violated("tokens", what);
        }
    }

    /// A device was registered, by a call that was made at `asked`; where it was `removed` before, nothing
    /// else has registered it since. Where its token is `refused`, its client does not count on it.
    pub(crate) fn check_registered(
        &mut self,
        device: &Device,
        asked: Time,
        created: bool,
        removed: bool,
        refused: bool,
    ) {
        if refused && !created {
            // It has made nothing known: the next one has to find it new.
            let gone = removed && !self.is_registered(device);
            return self.oracle.stays_gone(device, gone);
        }
        // The answers of two calls may change places.
        let before = self.oracle.registered.get(device).is_some_and(|at| *at < asked);
        if created && before {
            let what = format!("{device:?} was registered and not removed, and is told to be new");
            return self.violated("removal", what);
        }
        // Elsewhere a replica may be asked late for what was given up.
        if removed && self.shape.mood.within().is_some() {
            if !created {
                let what = format!("{device:?} was removed, and is not told that it is new");
                return self.violated("removal", what);
            }
            hit("removal: came back");
        }
        let left = self.oracle.leaving.removals.get(device).and_then(|removal| removal.left);
        if !refused && left.is_none_or(|left| left < asked) {
            self.oracle.registered(self.now, device);
        }
    }

    /// Whether most replicas know a device.
    pub(super) fn is_registered(&self, device: &Device) -> bool {
        let key = key::registry(&device.user);
        let knows = |replica: &&crate::storage::Replica| {
            let value = replica.view.map().get(&key);
            let registry = value.and_then(|value| record::decode::<Registry>(&key, value).ok());
            registry.flatten().is_some_and(|known| known.devices.contains_key(&device.device))
        };
        self.replicas.iter().filter(knows).count() > self.replicas.len() / 2
    }

    /// A session is welcomed by a token; its device was registered by a call that was made at `asked`.
    pub(crate) fn check_hello(&mut self, device: &Device, issued: Millis, asked: Time) {
        let before = self.oracle.is_revoked(device, asked);
        if issued < before {
            let what = format!("{device:?} is let in by a token of {issued}, revoked {before}");
            self.violated("tokens", what);
        }
    }

    /// A session goes on with a token.
    pub(crate) fn check_refresh(&mut self, device: &Device, issued: Millis) {
        if !self.shape.mood.is_gentle() {
            return;
        }
        let before = self.oracle.is_revoked(device, self.now.saturating_sub(SOON));
        if issued < before {
            let what = format!("{device:?} goes on by a token of {issued}, revoked {before}");
            self.violated("tokens", what);
        }
    }

    /// Whether a device that is lost may be known again all the same: its last token is younger than what was
    /// revoked, as far as clocks agree, since the removal came before the device was known.
    pub(super) fn may_return(&self, client: &Client) -> bool {
        let before = self.oracle.is_revoked(&client.home, self.now);
        client.lost && client.issued.is_some_and(|issued| issued >= before)
    }

    /// Whether a token of a device may be refused.
    pub(super) fn may_be_refused(&self, device: &Device, issued: Millis) -> bool {
        let left = self.oracle.leaving.removals.get(device).and_then(|removal| removal.left);
        let left = left.map_or(0, |left| START + left / MS + PODS_APART);
        issued < self.oracle.may_be_revoked(device).max(left)
    }

    /// In a gentle world, again and again: no session lasts by what was revoked.
    pub(crate) fn check_leaving(&mut self) {
        self.at(self.now + S, Self::check_leaving);
        if let Some(what) = self.stays(self.now.saturating_sub(SOON)) {
            self.violated("revocation", what);
        }
    }

    /// A session that lasts by a token that was revoked by then, or whose device was removed by then.
    pub(super) fn stays(&self, until: Time) -> Option<String> {
        let mut known = BTreeSet::new();
        for (at, gateway) in self.gateways.iter().enumerate() {
            for (connection, cell) in &gateway.cells {
                let welcomed = matches!(cell.session.phase(), Phase::CatchingUp | Phase::Live);
                let Some(device) = cell.session.device().filter(|_| welcomed && cell.listed) else {
                    continue;
                };
                let before = self.oracle.is_revoked(device, until);
                let issued = cell.issued.unwrap_or_default();
                if issued < before {
                    return Some(format!(
                        "{connection:?} of {device:?} at gateway-{at} lasts by a token of {issued}, \
                         revoked {before}"
                    ));
                }
                let left = self.oracle.leaving.removals.get(device).and_then(|one| one.left);
                let gone = left.is_some_and(|left| left <= until) && known.insert(device.clone());
                if gone && !self.is_registered(device) {
                    return Some(format!(
                        "{connection:?} of {device:?} at gateway-{at} is open, and the device is removed"
                    ));
                }
            }
        }
        None
    }

    /// Devices whose removal is half done, as a majority has it.
    pub(super) fn half_removed(&self) -> usize {
        self.count_on_most(Table::Departure)
    }
}
