//! What the client has kept, on its way out of the inbox.
//!
//! One call at a time goes to the message service; what comes meanwhile joins the next. A call that
//! fails is repeated with back-off for as long as the session lives. Should more than [`WAITING`] ids
//! pile up, further ones stay in the inbox: the pass that follows the next confirmed call pushes them
//! again, and the client, which knows them, acknowledges them again.

use std::{collections::BTreeSet, time::Duration};

use chatcluster_protocol::id::MessageId;

use crate::{backoff::Backoff, push::Key};

/// Most ids that wait for a call: four windows.
pub(super) const WAITING: usize = 4 * super::window::ENTRIES;

/// Most keys in one generation of the memory.
const REMEMBERED: usize = WAITING;

/// How long a generation of the memory lasts. A delivery whose confirmation was lost is repeated
/// within seconds, so what is forgotten after one to two of these hardly ever comes again.
const GENERATION: Duration = Duration::from_secs(10);

/// First and longest wait after a failed call.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// Acknowledged ids until the service has confirmed them, and for a little longer, so that an inbox
/// page that was read before does not push them again.
#[derive(Debug)]
pub(super) struct Acks {
    waiting: BTreeSet<(Kind, MessageId)>,
    calling: BTreeSet<(Kind, MessageId)>,
    backoff: Backoff,
    retry: Option<Duration>,
    /// Acknowledged ids had no room here, and are still in the inbox.
    turned_away: bool,
    young: BTreeSet<Key>,
    old: BTreeSet<Key>,
    turn: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Message,
    Receipt,
}

/// The ids of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) messages: Vec<MessageId>,
    pub(super) receipts: Vec<MessageId>,
}

impl Acks {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            waiting: BTreeSet::new(),
            calling: BTreeSet::new(),
            backoff: BACKOFF,
            retry: None,
            turned_away: false,
            young: BTreeSet::new(),
            old: BTreeSet::new(),
            turn: now + GENERATION,
        }
    }

    /// Takes ids of one message or receipt. When there is no room, they stay in the inbox.
    ///
    /// An id whose call is under way is taken again: what one replica alone had when the client read it may
    /// have come to the others after that call has looked for it.
    pub(super) fn add(&mut self, key: Key, ids: &[MessageId]) {
        if self.waiting.len() + ids.len() > WAITING {
            self.turned_away = true;
            return;
        }
        let kind = match key {
            Key::Message(_) => Kind::Message,
            Key::Receipt(_) => Kind::Receipt,
        };
        self.waiting.extend(ids.iter().map(|id| (kind, *id)));
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key);
    }

    /// Whether it was acknowledged a short while ago.
    pub(super) fn remembers(&self, key: Key) -> bool {
        self.young.contains(&key) || self.old.contains(&key)
    }

    /// The next call, if one is due.
    pub(super) fn call(&mut self, now: Duration) -> Option<Call> {
        let due = self.retry.is_none_or(|at| at <= now);
        if !due || !self.calling.is_empty() || self.waiting.is_empty() {
            return None;
        }
        self.retry = None;
        self.calling = std::mem::take(&mut self.waiting);
        let ids = |wanted: Kind| {
            self.calling.iter().filter(|(kind, _)| *kind == wanted).map(|(_, id)| *id).collect()
        };
        Some(Call { messages: ids(Kind::Message), receipts: ids(Kind::Receipt) })
    }

    /// The service has confirmed the call. Says whether the inbox has more that the client acknowledged.
    pub(super) fn confirmed(&mut self) -> bool {
        self.calling.clear();
        self.backoff = BACKOFF;
        std::mem::take(&mut self.turned_away)
    }

    /// The call failed: its ids wait again. [`WAITING`] may be passed by them, once.
    pub(super) fn failed(&mut self, now: Duration) {
        self.waiting.append(&mut self.calling);
        self.retry = Some(now + self.backoff.next());
    }

    /// Forgets what is old enough. Not while the service or a page may still bring it (`unsettled`).
    pub(super) fn forget(&mut self, now: Duration, unsettled: bool) {
        if now < self.turn {
            return;
        }
        self.turn = now + GENERATION;
        if !unsettled && self.settled() {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Nothing is on its way out.
    pub(super) fn settled(&self) -> bool {
        self.waiting.is_empty() && self.calling.is_empty()
    }

    /// A call has no answer yet.
    pub(super) fn calling(&self) -> bool {
        !self.calling.is_empty()
    }

    /// Nothing is held: the whole may be dropped.
    pub(super) fn is_empty(&self) -> bool {
        self.settled() && self.young.is_empty() && self.old.is_empty()
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Duration {
        self.retry.map_or(self.turn, |retry| retry.min(self.turn))
    }
}
