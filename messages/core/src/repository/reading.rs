//! How far users have read.

use chatcluster_protocol::id::{MessageId, UserId};

use super::{MarkRead, Marked, Quorum, RepositoryError, Unmarked, devices::only};
use crate::{
    apply::{Batch, Effect, Part},
    group::Group,
    key,
    merge::Page,
    record::{Archived, Id, Told},
    replica::Replica,
    view::Scan,
};

/// What there is of a mark before it is set.
struct Before {
    /// The highest message at or below the one that was asked for.
    message: MessageId,
    others: Vec<UserId>,
    known: Option<Told>,
}

pub(super) async fn mark<R: Replica>(
    quorum: &Quorum<R>,
    marks: Vec<MarkRead>,
) -> Result<Vec<Result<Marked, Unmarked>>, RepositoryError> {
    let before = look(quorum, &marks).await?;
    let parts = marks.into_iter().zip(&before).filter_map(|(mark, before)| {
        let Before { message, others, known } = before.as_ref().ok()?;
        let mark = MarkRead { up_to: *message, ..mark };
        Some(Part::MarkRead { mark, others: others.clone(), known: *known })
    });
    // Units of one batch hold each other up; these have nothing to do with each other.
    let batches = parts.map(Batch::of).collect();
    let mut replies = quorum.write(batches).await?.into_iter().flatten();
    let mut marked = Vec::with_capacity(before.len());
    for before in before {
        let Before { message, known, .. } = match before {
            Ok(before) => before,
            Err(unmarked) => {
                marked.push(Err(unmarked));
                continue;
            }
        };
        let missing = || RepositoryError::Unavailable("a replica left out an answer".into());
        let receipts = match only(replies.next().ok_or_else(missing)?)? {
            Effect::Marked(receipts) => receipts,
            Effect::Applied | Effect::Moved | Effect::Registered { .. } => Vec::new(),
        };
        let up_to = known.map_or(message, |known| known.up_to.max(message));
        marked.push(Ok(Marked { up_to, receipts }));
    }
    Ok(marked)
}

async fn look<R: Replica>(
    quorum: &Quorum<R>,
    marks: &[MarkRead],
) -> Result<Vec<Result<Before, Unmarked>>, RepositoryError> {
    let scans = marks.iter().flat_map(|MarkRead { user, conversation, up_to, .. }| {
        let said = Scan {
            from: key::archive_at(*conversation, 0),
            to: key::behind(&key::archive(*conversation, *up_to)),
            reverse: true,
            rows: 1,
            bytes: usize::MAX,
        };
        let part = Scan::one(key::participation(user, *conversation));
        let known = Scan::one(key::read_mark(user, *conversation));
        [said, part, known, Scan::one(key::group(*conversation))]
    });
    let pages = quorum.read(scans.collect()).await?;
    let mut found = Vec::with_capacity(marks.len());
    for (mark, pages) in marks.iter().zip(pages.chunks(4)) {
        let [said, part, known, group] = pages else { continue };
        found.push(before(mark, said, part, known, group)?);
    }
    Ok(found)
}

fn before(
    mark: &MarkRead,
    said: &Page,
    part: &Page,
    known: &Page,
    group: &Page,
) -> Result<Result<Before, Unmarked>, RepositoryError> {
    if part.first::<Id>()?.is_none() {
        return Ok(Err(Unmarked::NoPart));
    }
    let id = said.rows.first().and_then(|(key, _)| key::id_of(key));
    let (Some(message), Some(archived)) = (id, said.first::<Archived>()?) else {
        return Ok(Err(Unmarked::NoMessage));
    };
    // Also below the message that has added the user: what comes late may have a lower id.
    let takes_part = |group: &Group| group.role(&mark.user).is_some();
    if archived.group().is_some() && !group.first::<Group>()?.as_ref().is_some_and(takes_part) {
        return Ok(Err(Unmarked::NoPart));
    }
    // Nobody else in a group: a thousand readers would be a thousand receipts for each of them.
    let others = archived.pair().filter(|other| **other != mark.user).cloned().collect();
    Ok(Ok(Before { message, others, known: known.first()? }))
}
