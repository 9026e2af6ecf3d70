//! P1 when a message is stored, and P4 whenever an inbox loses an entry.

use chatcluster_protocol::id::{DeviceId, Identity, MessageId, UserId};
use gateway_core::Device;
use messages_core::{
    key::{self, Key, Table},
    record::{Archived, InboxEntry, decode, is_tombstone},
};

use crate::{
    coverage::hit,
    network::Node,
    storage::{Change, Replica},
    trace::trace,
    world::World,
};

impl World {
    /// A gateway was told that a message is stored under an id: so it must be in the inbox of each device
    /// that was registered when it was written, unless that device has it, or pending.
    pub(crate) fn check_stored(&mut self, message: &Archived, id: MessageId) {
        let identity = Identity::of(&message.from, &message.device, &message.reference);
        let Some(number) = self.oracle.by_identity.get(&identity).copied() else { return };
        let now = self.now;
        if self.oracle.messages[number].stored.is_none() {
            self.oracle.messages[number].stored = Some(now);
            self.oracle.stored.push(number);
        }
        let owed = self.oracle.messages[number].owed.clone();
        if self.on_a_quorum(&key::fan_out(id)) {
            return;
        }
        for device in owed {
            let entry = key::inbox(&device.user, &device.device, id);
            let client = self.client_of(&device).unwrap_or_default();
            if self.oracle.has_acknowledged(client, identity) || self.on_a_quorum(&entry) {
                continue;
            }
            let what = format!("m{number} is stored as {id}, but not in the inbox of {device:?}");
            return self.violated("P1", what);
        }
    }

    /// A message is on a first replica: devices that are known to be registered by now are owed it, too.
    fn first_archived(&mut self, id: MessageId) {
        let Some(number) = self.oracle.by_identity.get(&id.identity()).copied() else { return };
        let (from, to) = {
            let message = &self.oracle.messages[number];
            if message.archived {
                return;
            }
            (message.from.clone(), message.to.clone())
        };
        let owed = self.oracle.registered_for(&from, &to);
        let message = &mut self.oracle.messages[number];
        (message.archived, message.owed) = (true, owed);
    }

    /// Whether most replicas have a key, removed or not. One that is filled may have had it before.
    fn on_a_quorum(&self, key: &[u8]) -> bool {
        let has = |replica: &&Replica| replica.view.map().contains_key(key) || !replica.votes();
        self.replicas.iter().filter(has).count() > self.replicas.len() / 2
    }

    /// A replica votes again: whichever majority is asked from now on, what clients were told to be stored is there.
    pub(crate) fn check_let_in(&mut self, replica: usize) {
        hit("repair: let in");
        trace!(self, Node::Replica(replica), "votes");
        for (number, message) in self.oracle.messages.iter().enumerate() {
            let Some(id) = message.id else { continue };
            if self.whoever_is_asked(&key::fan_out(id)) {
                continue;
            }
            for device in &message.owed {
                let client = self.client_of(device).unwrap_or_default();
                let entry = key::inbox(&device.user, &device.device, id);
                let gone = self.oracle.has_acknowledged(client, message.identity)
                    || !self.is_registered(device);
                if !gone && !self.whoever_is_asked(&entry) {
                    let what = format!(
                        "m{number} is {id}, which a majority with {replica} lacks for {device:?}"
                    );
                    return self.violated("rule 15", what);
                }
            }
        }
    }

    /// Whether each majority of those that vote has one that has a key.
    fn whoever_is_asked(&self, key: &[u8]) -> bool {
        let lacking = self.replicas.iter();
        let lacking =
            lacking.filter(|replica| replica.votes() && !replica.view.map().contains_key(key));
        lacking.count() <= self.replicas.len() / 2
    }

    /// Whether most replicas have the body of what is in an inbox.
    pub(super) fn has_body(&self, device: &Device, id: MessageId) -> bool {
        let key = key::inbox(&device.user, &device.device, id);
        let mut values = self.replicas.iter().filter_map(|replica| replica.view.map().get(&key));
        let entry = values.find_map(|value| decode::<InboxEntry>(&key, value).ok().flatten());
        entry.is_some_and(|entry| self.on_a_quorum(&key::archive(entry.conversation, id)))
    }

    /// A replica's disk was emptied.
    pub(crate) fn note_emptied(&mut self, replica: usize) {
        self.oracle.inboxes.emptied(replica);
    }

    /// A replica has changed an inbox. What it removes must have been acknowledged.
    pub(crate) fn check_change(&mut self, replica: usize, change: &Change) {
        let key = match change {
            Change::Archived(key) => {
                if let Some(id) = key::id_of(key) {
                    self.first_archived(id);
                }
                return;
            }
            Change::Added(key) => {
                if let Some((device, id)) = parsed(key) {
                    trace!(self, Node::Replica(replica), "puts {id} into the inbox of {device:?}");
                    let Some(client) = self.client_of(&device) else { return };
                    if self.oracle.inboxes.added(client, replica, id) {
                        let what = format!("{id} comes back into the inbox of {device:?}");
                        self.violated("P4", what);
                    }
                }
                return;
            }
            Change::Receipt(key) => {
                let now = self.now;
                if let Some(id) = key::id_of(key) {
                    self.oracle.placed.entry(id).or_insert(now);
                }
                return;
            }
            Change::Erased(key) => {
                let Some((device, id)) = parsed(key) else { return };
                let Some(client) = self.client_of(&device) else { return };
                return self.oracle.inboxes.erased(client, replica, id);
            }
            Change::Left(device) => return self.check_left(&device.clone()),
            Change::Removed(key) | Change::Cleared(key) => key,
        };
        let Some((device, id)) = parsed(key) else { return };
        trace!(self, Node::Replica(replica), "removes {id} from the inbox of {device:?}");
        self.oracle.arrives(self.now, &device.user, id);
        let Some(client) = self.client_of(&device) else { return };
        self.oracle.inboxes.removed(self.now, client, replica, id);
        let cleared =
            matches!(change, Change::Cleared(_)) && self.oracle.may_be_cleared(&device, id);
        if !cleared && !self.oracle.has_acknowledged(client, id.identity()) {
            let what = format!("{id} left the inbox of {device:?}, which has not acknowledged it");
            self.violated("P4", what);
        }
    }

    /// What is in a device's inbox, as a majority has it.
    pub(super) fn inbox_of(&self, device: &Device) -> Vec<MessageId> {
        let client = self.client_of(device).into_iter();
        client.flat_map(|client| self.oracle.inboxes.waiting(client)).collect()
    }

    /// The messages whose fan-out is pending, as a majority has it.
    pub(super) fn fan_outs(&self) -> Vec<MessageId> {
        let pending = self.keys_on_most(Table::FanOut);
        pending.iter().filter_map(|key| key::id_of(key)).collect()
    }

    /// How many records of a table most replicas have and none has removed.
    pub(super) fn count_on_most(&self, table: Table) -> usize {
        self.keys_on_most(table).len()
    }

    fn keys_on_most(&self, table: Table) -> Vec<&Key> {
        let prefix = vec![table as u8];
        let end = key::end_of(&prefix);
        let mut found = std::collections::BTreeMap::new();
        for replica in &self.replicas {
            for (key, value) in replica.view.map().range(prefix.clone()..end.clone()) {
                let entry = found.entry(key).or_insert((0, false));
                entry.0 += 1;
                entry.1 |= is_tombstone(value);
            }
        }
        let most = self.replicas.len() / 2;
        let there = found.into_iter().filter(|(_, (count, removed))| *count > most && !removed);
        there.map(|(key, _)| key).collect()
    }
}

/// The device and the id of an inbox's key.
fn parsed(key: &[u8]) -> Option<(Device, MessageId)> {
    let mut names = key.get(1..key.len().checked_sub(16)?)?.split(|byte| *byte == 0);
    let user = UserId::new(std::str::from_utf8(names.next()?).ok()?).ok()?;
    let device = DeviceId::new(std::str::from_utf8(names.next()?).ok()?).ok()?;
    Some((Device { user, device }, key::id_of(key)?))
}
