//! Reading what was said, by any mix of user, conversation, sender, type and time.
//!
//! A page is a merge of sources by id: the one conversation that is named, all conversations of the
//! user (or else of the sender), or else the index of all messages. Sources give ids; the bodies are
//! read last, for the ids that made it onto the page.

use chatcluster_protocol::{
    Millis,
    client::Message,
    id::{ConversationId, MessageId, UserId},
    limits::APPEND_WINDOW,
};

use super::{
    Direction, MessagePage, Query, Quorum, RepositoryError, groups, inbox,
    sources::{Merge, Source},
    walk::Walk,
};
use crate::{
    key::{self, Ids},
    merge::Page,
    record::{self, Id},
    replica::Replica,
    view::Scan,
};

/// How far clocks of one cluster may differ, and how long a write may take from its check to its
/// being readable.
const SKEW: Millis = 5_000;

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

pub(super) async fn page<R: Replica>(
    quorum: &Quorum<R>,
    query: Query,
    now: Millis,
) -> Result<MessagePage, RepositoryError> {
    let mut merge = Merge::new(&query, sources(quorum, &query).await?);
    while let Some(wanted) = merge.wants() {
        let scans = wanted.iter().map(|at| merge.scan(*at)).collect();
        for (at, page) in wanted.into_iter().zip(quorum.read(scans).await?) {
            let page = if merge.needs_bodies(at) { with_bodies(quorum, page).await? } else { page };
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

/// A page of the index with the messages themselves in place of its rows, for a filter that looks into them.
async fn with_bodies<R: Replica>(quorum: &Quorum<R>, page: Page) -> Result<Page, RepositoryError> {
    let mut archived = Vec::with_capacity(page.rows.len());
    for (key, value) in &page.rows {
        let conversation = record::decode::<ConversationId>(key, value)?;
        if let (Some(id), Some(conversation)) = (key::id_of(key), conversation) {
            archived.push(Scan::one(key::archive(conversation, id)));
        }
    }
    let found = quorum.read(archived).await?.into_iter();
    Ok(Page { rows: found.flat_map(|page| page.rows).collect(), ..page })
}

async fn sources<R: Replica>(
    quorum: &Quorum<R>,
    query: &Query,
) -> Result<Vec<Source>, RepositoryError> {
    let owner = query.user.as_ref().or(query.sender.as_ref());
    match (query.conversation, owner) {
        (Some(conversation), _) => {
            let readable = match &query.user {
                Some(user) => groups::readable(quorum, user.clone(), conversation).await?,
                None => Some(Ids::ALL),
            };
            let source = readable.map(|readable| {
                Source::new(Some(conversation), MessageId::MAX, query.ids.within(readable))
            });
            Ok(source.into_iter().collect())
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
    let mut walk = Walk::new(Scan::prefix(key::participations(user), 1000));
    let mut sources = Vec::new();
    while let Some(page) = walk.next(quorum).await? {
        let mut here = Vec::with_capacity(page.rows.len());
        for (key, value) in &page.rows {
            let last = record::decode::<Id>(key, value)?;
            if let (Some(conversation), Some(Id(last))) = (key::conversation_of(key), last) {
                here.push((conversation, last));
            }
        }
        for ((conversation, last), readable) in groups::readable_of(quorum, user, here).await? {
            let ids = query.ids.within(readable);
            if !ids.at_most(last).is_empty() {
                sources.push(Source::new(Some(conversation), last, ids));
            }
        }
    }
    sources.sort_by_key(|source| std::cmp::Reverse(source.last));
    Ok(sources)
}
