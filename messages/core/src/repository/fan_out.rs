//! Finishing what a crash left half done: messages that are stored, but not in all inboxes (rule 11).

use chatcluster_protocol::{
    id::{ConversationId, MessageId},
    planted::{Bug, planted},
};

use super::{Append, Quorum, Refused, RepositoryError, Stored, append, walk::Walk};
use crate::{
    apply::{Batch, Part},
    key::{self, Key, Table},
    record::{self, Archived},
    replica::Replica,
    view::Scan,
};

/// Fan-outs that are looked at together.
const PAGE: usize = 256;

/// Finishes what it can of all that is pending below `before`. What cannot be finished now, and what has
/// been removed, holds up nothing behind it.
pub(super) async fn finish<R: Replica>(
    quorum: &Quorum<R>,
    before: MessageId,
) -> Result<usize, RepositoryError> {
    if planted(Bug::FanOutLeft) {
        return Ok(0);
    }
    let mut scan = Scan::prefix(vec![Table::FanOut as u8], PAGE);
    scan.to = key::fan_out(before);
    let (mut walk, mut finished) = (Walk::new(scan), 0);
    while let Some(page) = walk.next(quorum).await? {
        finished += finish_page(quorum, page.rows).await?;
    }
    Ok(finished)
}

async fn finish_page<R: Replica>(
    quorum: &Quorum<R>,
    rows: Vec<(Key, Vec<u8>)>,
) -> Result<usize, RepositoryError> {
    let mut pending: Vec<(MessageId, ConversationId)> = Vec::new();
    for (key, value) in rows {
        let id = key::id_of(&key);
        if let (Some(id), Some(conversation)) = (id, record::decode(&key, &value)?) {
            pending.push((id, conversation));
        }
    }
    let keys: Vec<_> = pending.iter().map(|(id, conv)| key::archive(*conv, *id)).collect();
    let messages = quorum.get::<Archived>(keys).await?;
    let there = pending
        .into_iter()
        .zip(messages)
        .filter_map(|((id, _), message)| message.map(|message| Append { id, message }));
    let appends: Vec<Append> = there.collect();
    let outcomes = append::append(quorum, appends.clone(), append::Asker::FanOut).await;
    let finished = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = appends.iter().zip(&outcomes);
    let refused = refused.filter(|(_, outcome)| **outcome == Err(Refused::ReferenceConflict));
    let refused = refused.map(|(append, _)| key::fan_out(append.id));
    give_up(quorum, refused.collect()).await?;
    let replaced = appends.into_iter().zip(outcomes).filter_map(|(append, outcome)| {
        outcome.ok().filter(|stored| stored.id != append.id).map(|stored| (append, stored))
    });
    close(quorum, replaced).await?;
    Ok(finished)
}

/// Ends fan-outs that nobody can finish: the reference went to another message before a majority had this one, and
/// its sender was told so.
async fn give_up<R: Replica>(quorum: &Quorum<R>, keys: Vec<Key>) -> Result<(), RepositoryError> {
    if !keys.is_empty() {
        quorum.write(vec![Batch::of(Part::Forget(keys))]).await?;
    }
    Ok(())
}

/// Ends fan-outs whose reference went to another id, under which the message was delivered. Where the
/// reference is pending under the one that lost, it is complete under the other: a replica that called
/// the loser complete would be believed.
async fn close<R: Replica>(
    quorum: &Quorum<R>,
    replaced: impl Iterator<Item = (Append, Stored)>,
) -> Result<(), RepositoryError> {
    let complete = |(Append { id, message }, stored): (Append, Stored)| {
        let devices = if message.group().is_some() { Vec::new() } else { stored.devices };
        let stored = stored.id;
        Batch::of(Part::Complete { id, stored, message, devices })
    };
    let batches: Vec<Batch> = replaced.map(complete).collect();
    if !batches.is_empty() {
        quorum.write(batches).await?;
    }
    Ok(())
}
