//! What was pushed to the client and not acknowledged by it yet.

use std::collections::BTreeMap;

use chatcluster_protocol::id::MessageId;

use crate::{Push, push::Key};

/// Most unacknowledged pushes.
pub(super) const ENTRIES: usize = 256;

/// No further push once this many bytes of text are unacknowledged: with the largest frame on top it
/// bounds what a client that does not read can make its writer hold. 1 MiB is 256 frames of 4 KiB.
pub(super) const BYTES: usize = 1024 * 1024;

/// Most copies of one message that are remembered; a further one stays in the inbox until a later pass.
const COPIES: usize = 16;

/// Bounded by [`ENTRIES`] and [`BYTES`]; full means that reading the inbox waits.
#[derive(Debug, Default)]
pub(super) struct Window {
    pushed: BTreeMap<Key, Pushed>,
    bytes: usize,
}

#[derive(Debug)]
struct Pushed {
    id: MessageId,
    bytes: usize,
    /// Other ids of the same message, acknowledged together with it.
    copies: Vec<MessageId>,
}

impl Window {
    /// How many pushes fit.
    pub(super) fn room(&self) -> usize {
        if self.bytes >= BYTES { 0 } else { ENTRIES - self.pushed.len() }
    }

    /// Everything that was pushed has been acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.pushed.is_empty()
    }

    /// Remembers a push. The caller has seen that there is room and that it is no copy.
    pub(super) fn insert(&mut self, push: &Push) {
        let bytes = push.frame.len();
        self.bytes += bytes;
        self.pushed.insert(push.key(), Pushed { id: push.id, bytes, copies: Vec::new() });
    }

    /// Whether the same message has been pushed; if so, remembers the copy's id.
    pub(super) fn covers(&mut self, push: &Push) -> bool {
        let Some(pushed) = self.pushed.get_mut(&push.key()) else { return false };
        let known = pushed.id == push.id || pushed.copies.contains(&push.id);
        if !known && pushed.copies.len() < COPIES {
            pushed.copies.push(push.id);
        }
        true
    }

    /// The client has kept it: all ids to remove from the inbox, or nothing if this id was not pushed.
    pub(super) fn acknowledge(&mut self, key: Key, id: MessageId) -> Option<Vec<MessageId>> {
        let pushed = self.pushed.get(&key)?;
        if pushed.id != id && !pushed.copies.contains(&id) {
            return None;
        }
        let mut pushed = self.pushed.remove(&key)?;
        self.bytes -= pushed.bytes;
        pushed.copies.push(pushed.id);
        Some(pushed.copies)
    }
}
