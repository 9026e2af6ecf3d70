//! Merging conversations by id onto one page. No I/O: [`Merge`] says what it wants to read, and is given
//! it.

use std::collections::VecDeque;

use chatcluster_protocol::id::{ConversationId, MessageId};

use super::{Direction, Query};
use crate::{
    key::{self, Ids, Key, Table},
    merge::Page,
    record::{self, Archived, Corrupt},
    replica::ReplicaError,
    view::Scan,
};

/// Rows looked at for one page, and bytes of them. A filter that matches little ends the page early, so that
/// no question holds the storage for long; the next page goes on from there. Gateways wait 5 s for a page:
/// without the second bound 10,000 of the largest messages, 320 MiB, would have to be read within that.
const EXAMINED: usize = 10_000;
const EXAMINED_BYTES: usize = 16 * 1024 * 1024;

/// Sources that are read in one call, and how much of each: with bodies of any size, a call holds no
/// more than about 24 MiB.
const SOURCES: usize = 256;
const SOURCE_BYTES: usize = 64 * 1024;

/// One conversation, or the index of all.
pub(super) struct Source {
    conversation: Option<ConversationId>,
    /// Nothing in it is above this.
    pub(super) last: MessageId,
    /// What has not been read of it.
    ids: Ids,
    /// Matches that are not on the page yet, in the query's order.
    heads: VecDeque<(MessageId, ConversationId)>,
    /// The last id that was looked at.
    looked_at: Option<MessageId>,
    /// All of it has been read.
    drained: bool,
}

impl Source {
    pub(super) fn new(conversation: Option<ConversationId>, last: MessageId, ids: Ids) -> Self {
        let drained = ids.is_empty();
        Self { conversation, last, ids, heads: VecDeque::new(), looked_at: None, drained }
    }
}

/// Merges sources onto one page.
pub(super) struct Merge<'a> {
    query: &'a Query,
    sources: Vec<Source>,
    examined: usize,
    examined_bytes: usize,
    /// What made it onto the page.
    pub(super) ids: Vec<(MessageId, ConversationId)>,
    /// Where the page ended although there was more.
    pub(super) reached: Option<MessageId>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(query: &'a Query, sources: Vec<Source>) -> Self {
        Self { query, sources, examined: 0, examined_bytes: 0, ids: Vec::new(), reached: None }
    }

    /// Puts onto the page what is certain, and says which sources must be read to go on; `None` at the
    /// end of the page.
    pub(super) fn wants(&mut self) -> Option<Vec<usize>> {
        loop {
            let head = self.first_head();
            let blocked = self.blocking(head.map(|(_, id)| id));
            let fresh = |at: &usize| self.sources[*at].looked_at.is_none();
            // Each source is looked at once whatever it costs, or a page could end where it began.
            let spent = self.examined >= EXAMINED || self.examined_bytes >= EXAMINED_BYTES;
            let wanted: Vec<usize> =
                blocked.iter().copied().filter(|at| !spent || fresh(at)).take(SOURCES).collect();
            if !wanted.is_empty() {
                return Some(wanted);
            }
            if let Some(horizon) = self.horizon(&blocked)
                && head.is_none_or(|(_, id)| self.comes_first(horizon, id))
            {
                self.reached = Some(horizon);
                return None;
            }
            let (at, _) = head?;
            if self.ids.len() >= self.query.limit {
                self.reached = self.ids.last().map(|(id, _)| *id);
                return None;
            }
            self.ids.extend(self.sources[at].heads.pop_front());
        }
    }

    /// The source whose head comes next, and the head.
    fn first_head(&self) -> Option<(usize, MessageId)> {
        let heads = self.sources.iter().enumerate();
        let heads = heads.filter_map(|(at, source)| Some((at, source.heads.front()?.0)));
        match self.query.direction {
            Direction::Forward => heads.min_by_key(|(_, id)| *id),
            Direction::Backward => heads.max_by_key(|(_, id)| *id),
        }
    }

    /// The sources that could hold something before `head`.
    fn blocking(&self, head: Option<MessageId>) -> Vec<usize> {
        let full = self.ids.len() >= self.query.limit && head.is_some();
        let sources = self.sources.iter().enumerate();
        let blocking = sources.filter(|(_, source)| {
            let behind = match (self.query.direction, head) {
                (Direction::Backward, Some(head)) => source.last < head,
                _ => false,
            };
            source.heads.is_empty() && !source.drained && !behind && !full
        });
        blocking.map(|(at, _)| at).collect()
    }

    /// How far all of these sources have been looked at.
    fn horizon(&self, blocked: &[usize]) -> Option<MessageId> {
        let looked_at = blocked.iter().filter_map(|at| self.sources[*at].looked_at);
        match self.query.direction {
            Direction::Forward => looked_at.min(),
            Direction::Backward => looked_at.max(),
        }
    }

    fn comes_first(&self, a: MessageId, b: MessageId) -> bool {
        match self.query.direction {
            Direction::Forward => a < b,
            Direction::Backward => a > b,
        }
    }

    /// The rows of this source do not say whether they match.
    pub(super) fn needs_bodies(&self, at: usize) -> bool {
        self.sources[at].conversation.is_none() && self.query.content_type.is_some()
    }

    pub(super) fn scan(&self, at: usize) -> Scan {
        let Source { conversation, ids, looked_at, .. } = &self.sources[at];
        let place = |position| match conversation {
            Some(conversation) => key::archive_at(*conversation, position),
            None => key::index_at(position),
        };
        // Alone a source fills the page; many share it, and those that turn out to have more read more.
        let alone = self.sources.len() == 1 || looked_at.is_some();
        let rows = if alone { self.query.limit + 1 } else { 4 };
        Scan {
            from: place(ids.from),
            to: place(ids.to),
            reverse: self.query.direction == Direction::Backward,
            rows,
            bytes: SOURCE_BYTES,
        }
    }

    pub(super) fn refill(&mut self, at: usize, page: Page) -> Result<(), ReplicaError> {
        let source = &mut self.sources[at];
        self.examined += page.rows.len().max(1);
        for (key, value) in &page.rows {
            self.examined_bytes += value.len();
            let id = id(key)?;
            if let Some(conversation) = matching(self.query, key, value)? {
                source.heads.push_back((id, conversation));
            }
        }
        match page.ended_at {
            Some(end) => {
                let end = id(&end)?;
                source.looked_at = Some(end);
                source.ids = match self.query.direction {
                    Direction::Forward => source.ids.above(end),
                    Direction::Backward => source.ids.below(end),
                };
            }
            None => source.drained = true,
        }
        Ok(())
    }
}

fn id(key: &Key) -> Result<MessageId, Corrupt> {
    key::id_of(key).ok_or_else(|| Corrupt::new(key, "its key has no id"))
}

/// The conversation of a row, if the row is one that was asked for.
fn matching(query: &Query, key: &Key, value: &[u8]) -> Result<Option<ConversationId>, Corrupt> {
    if Table::of(key) == Some(Table::Index) {
        return record::decode(key, value);
    }
    let conversation = key::archived_in(key);
    if query.sender.is_none() && query.content_type.is_none() {
        return Ok(conversation);
    }
    let archived = record::decode::<Archived>(key, value)?;
    let matches = |archived: &Archived| {
        query.sender.as_ref().is_none_or(|sender| archived.from == *sender)
            && query.content_type.as_ref().is_none_or(|range| range.contains(&archived.kind))
    };
    Ok(conversation.filter(|_| archived.as_ref().is_some_and(matches)))
}
