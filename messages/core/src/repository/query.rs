//! Reading what was said, by any mix of user, conversation, sender and time.
//!
//! A page is a merge of sources by id: the one conversation that is named, all conversations of the
//! user (or else of the sender), or else the index of all messages. Sources give ids; the bodies are
//! read last, for the ids that made it onto the page.

use std::collections::VecDeque;

use chatcluster_protocol::{
    Millis,
    client::Message,
    id::{ConversationId, MessageId, UserId},
    limits::APPEND_WINDOW,
};

use super::{Direction, MessagePage, Query, Quorum, RepositoryError, inbox};
use crate::{
    key::{self, Ids, Key},
    merge::Page,
    record::{self, Archived, Corrupt, Id},
    replica::{Replica, ReplicaError},
    view::Scan,
};

/// How far clocks of one cluster may differ, and how long a write may take from its check to its
/// being readable.
const SKEW: Millis = 5_000;

/// Rows looked at for one page. A filter that matches little ends the page early, so that no question
/// holds the storage for long; the next page goes on from there.
const EXAMINED: usize = 10_000;

/// Sources that are read in one call, and how much of each: with bodies of any size, a call holds no
/// more than about 24 MiB.
const SOURCES: usize = 256;
const SOURCE_BYTES: usize = 64 * 1024;

/// What is older than this never changes, except by removal (rule 10). Milliseconds UTC.
pub const fn stable_up_to(now: Millis) -> Millis {
    now.saturating_sub(APPEND_WINDOW + SKEW)
}

pub(super) async fn message<R: Replica>(
    quorum: &Quorum<R>,
    id: MessageId,
) -> Result<Option<Message>, RepositoryError> {
    let found = quorum.get::<ConversationId>([key::index(id)]).await?;
    let Some(conversation) = found.into_iter().flatten().next() else { return Ok(None) };
    let (messages, _) = inbox::bodies(quorum, &[(id, conversation)], usize::MAX).await?;
    Ok(messages.into_iter().next())
}

pub(super) async fn takes_part<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    conversation: ConversationId,
) -> Result<bool, RepositoryError> {
    let found = quorum.get::<Id>([key::participation(&user, conversation)]).await?;
    Ok(found.iter().any(Option::is_some))
}

pub(super) async fn page<R: Replica>(
    quorum: &Quorum<R>,
    query: Query,
    now: Millis,
) -> Result<MessagePage, RepositoryError> {
    let mut merge = Merge::new(&query, sources(quorum, &query).await?);
    while let Some(wanted) = merge.wants() {
        let scans = wanted.iter().map(|at| merge.scan(*at)).collect();
        for (at, page) in wanted.into_iter().zip(quorum.read(scans).await?) {
            merge.refill(at, page)?;
        }
    }
    let Merge { ids, reached, .. } = merge;
    let (messages, cut) = inbox::bodies(quorum, &ids, query.bytes).await?;
    // Where the bytes ended the page, it ends there; else where the merge ended it; else behind its
    // last message, which is the end of all there is.
    let more = cut.or(reached).is_some();
    let end = cut.or(reached).or(ids.last().map(|(id, _)| *id));
    let next = match query.direction {
        Direction::Backward => end.filter(|_| more),
        Direction::Forward => {
            let stable = MessageId::floor(stable_up_to(now));
            let seen = messages.iter().map(|message| message.message);
            seen.chain(end).filter(|id| *id < stable).max()
        }
    };
    Ok(MessagePage { messages, next, more })
}

async fn sources<R: Replica>(
    quorum: &Quorum<R>,
    query: &Query,
) -> Result<Vec<Source>, RepositoryError> {
    let owner = query.user.as_ref().or(query.sender.as_ref());
    match (query.conversation, owner) {
        (Some(conversation), _) => {
            let part = match &query.user {
                Some(user) => takes_part(quorum, user.clone(), conversation).await?,
                None => true,
            };
            let source = Source::new(Some(conversation), MessageId::MAX, query.ids);
            Ok(part.then_some(source).into_iter().collect())
        }
        (None, Some(owner)) => conversations(quorum, owner, query).await,
        (None, None) => Ok(vec![Source::new(None, MessageId::MAX, query.ids)]),
    }
}

/// The conversations of a user that may hold something for the query; those with the newest messages
/// first.
async fn conversations<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    query: &Query,
) -> Result<Vec<Source>, RepositoryError> {
    let mut scan = Scan::prefix(key::participations(user), 1000);
    let mut sources = Vec::new();
    loop {
        let Some(page) = quorum.read(vec![scan.clone()]).await?.pop() else { break };
        for (key, value) in &page.rows {
            let last = record::decode::<Id>(key, value)?;
            if let (Some(conversation), Some(Id(last))) = (key::conversation_of(key), last)
                && !query.ids.at_most(last).is_empty()
            {
                sources.push(Source::new(Some(conversation), last, query.ids));
            }
        }
        let Some(end) = page.ended_at else { break };
        scan.from = key::behind(&end);
    }
    sources.sort_by_key(|source| std::cmp::Reverse(source.last));
    Ok(sources)
}

/// One conversation, or the index of all.
struct Source {
    conversation: Option<ConversationId>,
    /// Nothing in it is above this.
    last: MessageId,
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
    fn new(conversation: Option<ConversationId>, last: MessageId, ids: Ids) -> Self {
        let drained = ids.is_empty();
        Self { conversation, last, ids, heads: VecDeque::new(), looked_at: None, drained }
    }
}

/// Merges sources onto one page. No I/O: it says what it wants to read, and is given it.
struct Merge<'a> {
    query: &'a Query,
    sources: Vec<Source>,
    examined: usize,
    /// What made it onto the page.
    ids: Vec<(MessageId, ConversationId)>,
    /// Where the page ended although there was more.
    reached: Option<MessageId>,
}

impl<'a> Merge<'a> {
    fn new(query: &'a Query, sources: Vec<Source>) -> Self {
        Self { query, sources, examined: 0, ids: Vec::new(), reached: None }
    }

    /// Puts onto the page what is certain, and says which sources must be read to go on; `None` at the
    /// end of the page.
    fn wants(&mut self) -> Option<Vec<usize>> {
        loop {
            let head = self.first_head();
            let blocked = self.blocking(head.map(|(_, id)| id));
            let fresh = |at: &usize| self.sources[*at].looked_at.is_none();
            // Each source is looked at once whatever it costs, or a page could end where it began.
            let spent = self.examined >= EXAMINED;
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

    fn scan(&self, at: usize) -> Scan {
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

    fn refill(&mut self, at: usize, page: Page) -> Result<(), ReplicaError> {
        let source = &mut self.sources[at];
        self.examined += page.rows.len().max(1);
        for (key, value) in &page.rows {
            let id = id(key)?;
            if let Some(conversation) = matching(self.query, source.conversation, key, value)? {
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
fn matching(
    query: &Query,
    conversation: Option<ConversationId>,
    key: &Key,
    value: &[u8],
) -> Result<Option<ConversationId>, Corrupt> {
    match (conversation, &query.sender) {
        (None, _) => record::decode(key, value),
        (Some(conversation), None) => Ok(Some(conversation)),
        (Some(conversation), Some(sender)) => {
            let archived = record::decode::<Archived>(key, value)?;
            Ok(archived.filter(|archived| archived.from == *sender).map(|_| conversation))
        }
    }
}
