//! What came in: shown once, acknowledged after the application took it.
//!
//! A gateway pushes a message again until its ack has arrived, and a send that raced its own retry
//! may be stored under two ids. Both look the same here: another copy of an identity that was seen.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    hash::Hash,
};

use chatcluster_protocol::id::{Identity, MessageId};

use crate::resume::Resume;

/// Taken identities that are remembered. A copy comes within a session's window of pushes or within
/// a sender's retries; this is many windows.
const TAKEN: usize = 8192;

/// Shown and not yet taken. The client stops reading before more come; far above any gateway's window.
const OPEN: usize = 4096;

/// Acks that wait for a connection. One more is dropped: the gateway pushes the message again, and
/// the copy is acknowledged then.
const DUE: usize = 8192;

/// Ids kept per message that was not taken yet. Further copies stay in the inbox and come again.
const COPIES: usize = 16;

/// Messages and receipts of one device, across connections.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) messages: Seen<Identity>,
    pub(super) receipts: Seen<MessageId>,
}

impl Inbox {
    pub(super) fn new(resume: &Resume) -> Self {
        let mut messages = Seen::default();
        for id in &resume.recent {
            messages.remember(id.identity(), *id);
        }
        Self { messages, receipts: Seen::default() }
    }

    /// Whether more may come before the application takes something.
    pub(super) fn has_room(&self) -> bool {
        self.messages.open.len() < OPEN && self.receipts.open.len() < OPEN
    }

    /// Messages taken last, the newest at the end.
    pub(super) fn recent(&self) -> Vec<MessageId> {
        let order = &self.messages.order;
        order.iter().skip(order.len().saturating_sub(Resume::RECENT)).map(|(_, id)| *id).collect()
    }

    /// The next ids to acknowledge, at most `limit` of each kind; `None` when there are none.
    pub(super) fn next_ack(&mut self, limit: usize) -> Option<(Vec<MessageId>, Vec<MessageId>)> {
        let batch = |due: &mut VecDeque<_>| due.drain(..limit.max(1).min(due.len())).collect();
        let (messages, receipts): (Vec<_>, Vec<_>) =
            (batch(&mut self.messages.due), batch(&mut self.receipts.due));
        (!messages.is_empty() || !receipts.is_empty()).then_some((messages, receipts))
    }
}

/// One kind of push, told apart by `K`.
#[derive(Debug)]
pub(super) struct Seen<K> {
    /// Shown to the application, which has not taken it: every id under which it came.
    open: HashMap<K, Vec<MessageId>>,
    taken: HashSet<K>,
    /// What is in `taken`, the oldest first.
    order: VecDeque<(K, MessageId)>,
    due: VecDeque<MessageId>,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            taken: HashSet::new(),
            order: VecDeque::new(),
            due: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Seen<K> {
    /// A push came. True if the application has not been shown it yet.
    pub(super) fn arrived(&mut self, key: K, id: MessageId) -> bool {
        if self.taken.contains(&key) {
            self.owe(id);
            return false;
        }
        match self.open.entry(key) {
            Entry::Vacant(open) => {
                open.insert(vec![id]);
                true
            }
            Entry::Occupied(mut open) => {
                let copies = open.get_mut();
                if !copies.contains(&id) && copies.len() < COPIES {
                    copies.push(id);
                }
                false
            }
        }
    }

    /// The application took it: every copy is owed an ack.
    pub(super) fn take(&mut self, key: K, id: MessageId) {
        let copies = self.open.remove(&key).unwrap_or_else(|| vec![id]);
        for copy in copies {
            self.owe(copy);
        }
        self.remember(key, id);
    }
    fn owe(&mut self, id: MessageId) {
        if self.due.len() < DUE {
            self.due.push_back(id);
        }
    }

    fn remember(&mut self, key: K, id: MessageId) {
        if self.taken.insert(key) {
            self.order.push_back((key, id));
        }
        if self.order.len() > TAKEN
            && let Some((oldest, _)) = self.order.pop_front()
        {
            self.taken.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::Stamp;
    use proptest::prelude::*;

    use super::*;

    /// An id made at `millis` of the message number `of`: two ids of one `of` are copies.
    fn id(millis: u64, of: u64) -> MessageId {
        let mut bytes = MessageId::floor(millis).to_bytes();
        bytes[12..].copy_from_slice(&(of as u32).to_be_bytes());
        let id = MessageId::from_bytes(bytes).unwrap();
        assert_eq!(id.stamp(), Stamp::new(millis, 0));
        id
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push { at: u64, of: u64 },
        Take(usize),
        Write,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1u64..4, 0u64..8).prop_map(|(at, of)| Step::Push { at, of }),
            2 => (0usize..8).prop_map(Step::Take),
            1 => Just(Step::Write),
        ];
        prop::collection::vec(step, 0..120)
    }

    proptest! {
        #[test]
        fn a_message_is_shown_once_and_every_copy_is_acknowledged_once_it_was_taken(steps in steps()) {
            let mut inbox = Inbox::new(&Resume::default());
            let (mut shown, mut taken, mut came, mut acked) =
                (Vec::new(), HashSet::new(), Vec::new(), HashSet::new());
            for step in steps {
                match step {
                    Step::Push { at, of } => {
                        let id = id(at, of);
                        came.push(id);
                        if inbox.messages.arrived(id.identity(), id) {
                            prop_assert!(!shown.contains(&id.identity()), "shown twice");
                            shown.push(id.identity());
                        }
                    }
                    Step::Take(nth) => {
                        let Some(identity) = shown.get(nth).copied() else { continue };
                        let first = came.iter().find(|id| id.identity() == identity).unwrap();
                        inbox.messages.take(identity, *first);
                        taken.insert(identity);
                    }
                    Step::Write => {
                        while let Some((messages, _)) = inbox.next_ack(3) {
                            prop_assert!(messages.len() <= 3);
                            acked.extend(messages);
                        }
                        prop_assert!(acked.iter().all(|id| taken.contains(&id.identity())), "acknowledged unseen");
                    }
                }
            }
            while let Some((messages, _)) = inbox.next_ack(256) {
                acked.extend(messages);
            }
            for id in came {
                prop_assert!(shown.contains(&id.identity()), "never shown");
                prop_assert_eq!(acked.contains(&id), taken.contains(&id.identity()));
            }
        }
    }

    #[test]
    fn what_was_taken_before_a_restart_is_acknowledged_and_not_shown_again() {
        let resume = Resume { recent: vec![id(1, 7)], ..Resume::default() };
        let mut inbox = Inbox::new(&resume);
        assert!(!inbox.messages.arrived(id(2, 7).identity(), id(2, 7)));
        assert_eq!(inbox.next_ack(256), Some((vec![id(2, 7)], vec![])));
        assert_eq!(inbox.recent(), resume.recent);
    }

    #[test]
    fn nothing_that_a_gateway_pushes_grows_without_bound() {
        let mut seen = Seen::<Identity>::default();
        for n in 0..20_000 {
            seen.arrived(id(n, 1).identity(), id(n, 1));
            seen.take(id(n, n + 2).identity(), id(n, n + 2));
        }
        assert_eq!(seen.open.values().map(Vec::len).sum::<usize>(), COPIES);
        assert_eq!((seen.taken.len(), seen.order.len(), seen.due.len()), (TAKEN, TAKEN, DUE));
    }
}
