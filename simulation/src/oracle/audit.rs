//! Reads of inboxes, compared with what the replicas have: what a majority has is found, what a majority
//! has removed is not.

use std::{collections::BTreeSet, sync::Arc};

use chatcluster_protocol::id::MessageId;
use messages_core::repository::{InboxCursor, Repository};

use crate::{
    clock::{MS, Time},
    coverage::hit,
    storage::Repo,
    world::World,
};

/// How often some inbox is read.
const EVERY: Time = 700 * MS;

impl World {
    /// Reads some inbox, and does so again after a while, until all is settled and inboxes stay as they are.
    pub(crate) fn audit(&mut self) {
        if self.settled {
            return;
        }
        self.at(self.now + EVERY, Self::audit);
        let at = self.chance.index(self.clients.len());
        let pod = self.chance.index(self.shape.pods);
        let device = self.clients[at].home.clone();
        // What no majority has acknowledged: one that joined may have its entry, and its body be taken from it again
        // before another one that votes had it.
        let mut before = self.inbox_of(&device);
        before.retain(|id| self.has_body(&device, *id));
        let began = self.now;
        let (user, name) = (device.user.clone(), device.device.clone());
        let call = move |repository: Arc<Repo>| async move {
            repository.inbox(user, name, InboxCursor::Start, usize::MAX, usize::MAX).await
        };
        self.run_on_pod(pod, call, move |world, page| {
            let Ok(page) = page else { return };
            hit("audit");
            let found: BTreeSet<MessageId> = page.messages.iter().map(|m| m.message).collect();
            let inboxes = &world.oracle.inboxes;
            if let Some(id) = found.iter().find(|id| inboxes.had_left(at, **id, began)) {
                let what = format!("{id} had left the inbox of {device:?}, and is read in it");
                return world.violated("P4", what);
            }
            let mut unread = before.iter().filter(|id| !found.contains(id)).peekable();
            if unread.peek().is_none() {
                return;
            }
            let still = world.inbox_of(&device);
            if let Some(id) = unread.find(|id| still.contains(id)) {
                world.violated("P1", format!("{id} is in the inbox of {device:?}, but not read"));
            }
        });
    }
}
