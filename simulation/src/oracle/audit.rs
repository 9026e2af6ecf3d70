//! Reads of inboxes, compared with what the replicas have: what a majority has is found, what a majority
//! has removed is not.

use std::sync::Arc;

use chatcluster_protocol::id::MessageId;
use gateway_core::Device;
use messages_core::{
    key,
    repository::{InboxCursor, Repository},
};

use crate::{
    clock::{MS, Time},
    coverage::hit,
    storage::Repo,
    world::World,
};

/// How often some inbox is read.
const EVERY: Time = 700 * MS;

impl World {
    /// Reads some inbox, and does so again after a while.
    pub(crate) fn audit(&mut self) {
        self.at(self.now + EVERY, Self::audit);
        let at = self.chance.index(self.clients.len());
        let pod = self.chance.index(self.shape.pods);
        let device = self.clients[at].home.clone();
        let before = self.inbox_of(&device);
        let removed = self.removed_from(&device);
        let (user, name) = (device.user.clone(), device.device.clone());
        let call = move |repository: Arc<Repo>| async move {
            repository.inbox(user, name, InboxCursor::Start, usize::MAX, usize::MAX).await
        };
        self.run_on_pod(pod, call, move |world, page| {
            let Ok(page) = page else { return };
            hit("audit");
            let found: Vec<MessageId> = page.messages.iter().map(|m| m.message).collect();
            if let Some(id) = found.iter().find(|id| removed.contains(id)) {
                let what = format!("{id} had left the inbox of {device:?}, and is read in it");
                return world.violated("P4", what);
            }
            let still = world.inbox_of(&device);
            let lacks = |id: &&MessageId| !found.contains(id) && still.contains(id);
            if let Some(id) = before.iter().find(lacks) {
                world.violated("P1", format!("{id} is in the inbox of {device:?}, but not read"));
            }
        });
    }

    /// What a majority has removed from an inbox.
    fn removed_from(&self, device: &Device) -> Vec<MessageId> {
        let prefix = key::inboxes(&device.user, &device.device);
        let of = |replica| {
            let (from, to) = ((replica, prefix.clone()), (replica, key::end_of(&prefix)));
            self.oracle.removed.range(from..to).map(|(_, key)| key.clone())
        };
        let mut count = std::collections::BTreeMap::<Vec<u8>, usize>::new();
        for key in (0..self.replicas.len()).flat_map(of) {
            *count.entry(key).or_default() += 1;
        }
        let most = self.replicas.len() / 2;
        let there = count.into_iter().filter(|(_, count)| *count > most);
        there.filter_map(|(key, _)| key::id_of(&key)).collect()
    }
}
