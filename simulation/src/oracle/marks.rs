//! What users have read, and who is told.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    client::{Receipt, Recipient},
    id::{ConversationId, MessageId, UserId},
};
use gateway_core::Device;

use super::Oracle;
use crate::{clock::Time, coverage::hit, world::World};

/// What a user has read of a conversation.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// When they had read so far first, on any device.
    asked: BTreeMap<MessageId, Time>,
    /// The highest that a device was told to be stored.
    pub(super) confirmed: Option<MessageId>,
}

impl Reading {
    /// The highest that the user has read, on any device.
    pub(super) fn highest(&self) -> Option<MessageId> {
        self.asked.keys().next_back().copied()
    }
}

impl Oracle {
    /// Somebody reads.
    pub(crate) fn reads(
        &mut self,
        now: Time,
        user: UserId,
        conversation: ConversationId,
        up_to: MessageId,
    ) {
        let reading = self.reading.entry((user, conversation)).or_default();
        reading.asked.entry(up_to).or_insert(now);
    }

    /// The devices that have to learn of a mark: those of everybody in the conversation that were registered
    /// before the user had read so far.
    fn told_of<'a>(
        &'a self,
        reader: &'a UserId,
        conversation: ConversationId,
        since: Time,
    ) -> impl Iterator<Item = &'a Device> {
        let of_it = self.messages.iter().filter(move |one| one.conversation == conversation);
        let users = of_it.flat_map(move |one| match &one.to {
            Recipient::User(to) => [&one.from.user, to],
            // Whoever reads in a group tells nobody else.
            Recipient::Group(_) => [reader; 2],
        });
        let users: BTreeSet<_> = users.collect();
        let registered = self.registered.iter().filter(move |(_, at)| **at < since);
        registered.filter(move |(device, _)| users.contains(&device.user)).map(|(device, _)| device)
    }
}

impl World {
    /// A device is told where its user's mark is: where one of them has put it, and not below this one's.
    pub(crate) fn check_marked(
        &mut self,
        device: usize,
        conversation: ConversationId,
        up_to: MessageId,
    ) {
        let user = self.clients[device].home.user.clone();
        let reading = self.oracle.reading.entry((user, conversation)).or_default();
        reading.confirmed = reading.confirmed.max(Some(up_to));
        if !reading.asked.contains_key(&up_to) && self.receipts_are_exact() {
            let home = &self.clients[device].home;
            let what = format!("{home:?} is told that its user has read up to {up_to}");
            self.violated("receipts", what);
        }
    }

    /// A receipt says no more than the user has read.
    pub(super) fn check_read(&mut self, device: usize, receipt: &Receipt) {
        let Receipt { conversation, user, up_to, .. } = receipt;
        let home = self.clients[device].home.clone();
        hit(if home.user == *user { "receipt: read by own" } else { "receipt: read" });
        let key = (user.clone(), *conversation);
        let highest = self.oracle.reading.get(&key).and_then(Reading::highest);
        if highest.is_none_or(|highest| highest < *up_to) {
            let what = format!("{home:?} is told that {user} has read up to {up_to}");
            return self.violated("receipts", what);
        }
        let told = self.oracle.told_read.entry((device, key.1, key.0)).or_insert(*up_to);
        *told = (*told).max(*up_to);
    }

    /// Everybody knows how far each user has read, and no mark is without an answer.
    pub(super) fn marks_lack(&self) -> Option<(&'static str, String)> {
        for client in self.clients.iter().filter(|client| !client.lost) {
            if client.marks.values().any(|mark| !mark.is_confirmed()) {
                return Some(("receipts", format!("a mark of {:?} has no answer", client.home)));
            }
        }
        if !self.receipts_are_exact() {
            return None;
        }
        for ((user, conversation), reading) in &self.oracle.reading {
            let Some(up_to) = reading.confirmed else { continue };
            let Some(since) = reading.asked.get(&up_to) else { continue };
            for device in self.oracle.told_of(user, *conversation, *since) {
                let Some(at) = self.client_of(device) else { continue };
                let knows = self.clients[at].marks.get(conversation);
                let reads = device.user == *user && knows.is_some_and(|mark| mark.up_to >= up_to);
                let told = self.oracle.told_read.get(&(at, *conversation, user.clone()));
                if !reads && told.is_none_or(|told| *told < up_to) {
                    let what = format!(
                        "{user} has read up to {up_to}, and {device:?} was told of {told:?}"
                    );
                    return Some(("receipts", what));
                }
            }
        }
        None
    }
}
