//! Whom the device watches, told over each connection anew; and, on one device of each user, who may see them.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    client::{ClientFrame, Presence, PresenceTo, Presences, Privacy, PrivacyIs, RequestId},
    id::UserId,
};

use super::user_id;
use crate::{
    clock::{S, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// How long a client waits before it asks again for what was refused for now.
const AGAIN: Time = S;

/// Most users that a device watches until all is healed.
const FEW: u64 = 6;

/// What the device wants to know of others, and shows of them.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    users: BTreeSet<UserId>,
    asked: Option<RequestId>,
    /// Who is online, as told over this connection.
    pub(crate) sight: BTreeMap<UserId, bool>,
    /// The setting that has no answer, and the request on its way.
    setting: Option<(PresenceTo, Option<RequestId>)>,
}

impl World {
    /// The device watches others now and then, until all is healed.
    pub(super) fn watch_on(&mut self, device: usize) {
        if self.now > self.shape.trouble {
            return;
        }
        let users = self.shape.users.len();
        let count = self.watching.between(0, FEW);
        let watched = (0..count).map(|_| user_id(self.watching.index(users))).collect();
        self.watch(device, watched);
        if self.sets_privacy(device) && self.watching.one_in(3) {
            let all = [PresenceTo::Nobody, PresenceTo::Contacts, PresenceTo::Everybody];
            let to = *self.watching.pick(&all);
            self.set_privacy(device, to);
        }
        let wait = self.watching.between(10 * S, 40 * S);
        self.later(Node::Device(device), wait, move |world| world.watch_on(device));
    }

    /// All is healed: everybody watches everybody.
    pub(crate) fn watch_everybody(&mut self) {
        let all: BTreeSet<_> = (0..self.shape.users.len()).map(user_id).collect();
        for device in 0..self.clients.len() {
            self.watch(device, all.clone());
        }
    }

    fn watch(&mut self, device: usize, users: BTreeSet<UserId>) {
        self.clients[device].watching.users = users;
        self.send_watch(device);
    }

    /// Of the devices of a user the first that somebody has sets it: the order of two would not be known.
    fn sets_privacy(&self, device: usize) -> bool {
        let client = &self.clients[device];
        let mut of_user = self.clients.iter().filter(|one| one.user == client.user && !one.lost);
        of_user.next().is_some_and(|first| first.home == client.home)
    }

    fn set_privacy(&mut self, device: usize, to: PresenceTo) {
        let client = &mut self.clients[device];
        client.watching.setting = Some((to, None));
        self.oracle.hides(&client.home.user, to);
        self.send_privacy(device);
    }

    /// On a new connection all is said again.
    pub(super) fn watch_again(&mut self, device: usize) {
        let watching = &mut self.clients[device].watching;
        watching.sight.clear();
        if let Some((_, asked)) = &mut watching.setting {
            *asked = None;
        }
        if !watching.users.is_empty() {
            self.send_watch(device);
        }
        self.send_privacy(device);
    }

    fn send_watch(&mut self, device: usize) {
        let client = &mut self.clients[device];
        if client.is_welcomed() {
            let id = client.request();
            client.watching.asked = Some(id);
            let users = client.watching.users.iter().cloned().collect();
            self.say(device, ClientFrame::Presence(Presence { id, users }));
        }
    }

    fn send_privacy(&mut self, device: usize) {
        let client = &mut self.clients[device];
        if !client.is_welcomed() {
            return;
        }
        let id = client.request();
        if let Some((to, asked @ None)) = &mut client.watching.setting {
            *asked = Some(id);
            let presence_to = Some(*to);
            self.say(device, ClientFrame::Privacy(Privacy { id, presence_to }));
        }
    }

    pub(super) fn sees(&mut self, device: usize, presences: Presences) {
        trace!(self, Node::Device(device), "sees {presences:?}");
        let watching = &mut self.clients[device].watching;
        match presences.id {
            Some(id) if watching.asked == Some(id) => {
                hit("presence: answer");
                watching.asked = None;
                watching.sight.clear();
            }
            // Of a request that another one has taken the place of.
            Some(_) => return,
            // What an earlier request led to.
            None if watching.asked.is_some() => return,
            None => hit("presence: change"),
        }
        for presence in presences.users {
            watching.sight.insert(presence.user, presence.online);
        }
    }

    pub(super) fn privacy_is(&mut self, device: usize, answer: &PrivacyIs) {
        let client = &mut self.clients[device];
        let answers = |(_, asked): &mut (PresenceTo, Option<RequestId>)| *asked == Some(answer.id);
        if client.watching.setting.take_if(answers).is_some() {
            hit("privacy: set");
            let user = client.home.user.clone();
            self.oracle.hidden(self.now, &user, answer.presence_to);
        }
    }

    /// Whether the error was for the list of those whom it watches.
    pub(super) fn watch_failed(&mut self, device: usize, id: Option<RequestId>) -> bool {
        let asked = &mut self.clients[device].watching.asked;
        if asked.is_none() || *asked != id {
            return false;
        }
        hit("presence: refused for now");
        *asked = None;
        self.later(Node::Device(device), AGAIN, move |world| {
            if world.clients[device].watching.asked.is_none() {
                world.send_watch(device);
            }
        });
        true
    }

    /// Whether the error was for a setting.
    pub(super) fn privacy_failed(&mut self, device: usize, id: Option<RequestId>) -> bool {
        let setting = self.clients[device].watching.setting.as_mut();
        let Some((_, asked)) = setting.filter(|(_, asked)| asked.is_some() && *asked == id) else {
            return false;
        };
        hit("privacy: refused for now");
        *asked = None;
        self.later(Node::Device(device), AGAIN, move |world| world.send_privacy(device));
        true
    }
}
