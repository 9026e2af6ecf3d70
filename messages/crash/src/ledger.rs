//! What clients were told, by all services that ever were in a round.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use chatcluster_protocol::id::MessageId;

use crate::words::Word;

/// What one writer and its reader were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Messages by their number.
    pub(crate) stored: BTreeMap<u64, MessageId>,
    /// Whether they are removed is not known.
    pub(crate) removing: BTreeSet<MessageId>,
    pub(crate) removed: BTreeSet<MessageId>,
}

/// All that was told.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// By the service's name and the writer's number.
    pub(crate) told: BTreeMap<(String, usize), Told>,
    pub(crate) stored: u64,
    pub(crate) removed: u64,
    /// How long nobody was told anything, at most, since the first word.
    pub(crate) stall: Duration,
    last: Option<Instant>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { told: BTreeMap::new(), stored: 0, removed: 0, stall: Duration::ZERO, last: None }
    }

    /// A service's client was told this just now.
    pub(crate) fn hears(&mut self, service: &str, word: Word) {
        if let (Some(last), Word::Stored(..)) = (self.last, &word) {
            self.stall = self.stall.max(last.elapsed());
        }
        match word {
            Word::Stored(writer, messages) => {
                self.last = Some(Instant::now());
                self.stored += messages.len() as u64;
                self.of(service, writer).stored.extend(messages);
            }
            Word::Removing(writer, ids) => self.of(service, writer).removing.extend(ids),
            Word::Removed(writer, ids) => {
                self.removed += ids.len() as u64;
                let told = self.of(service, writer);
                told.removing.retain(|id| !ids.contains(id));
                told.removed.extend(ids);
            }
        }
    }

    fn of(&mut self, service: &str, writer: usize) -> &mut Told {
        self.told.entry((service.to_owned(), writer)).or_default()
    }
}
