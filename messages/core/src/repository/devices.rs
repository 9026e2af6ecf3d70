//! What devices say that they have kept.

use super::{Acknowledge, MarkPlaced, Quorum, RepositoryError};
use crate::{
    apply::{Batch, Effect, Part, Stop, There, UnitReply},
    key,
    record::{InboxEntry, Mark},
    replica::Replica,
};

pub(super) async fn acknowledge<R: Replica>(
    quorum: &Quorum<R>,
    acknowledgements: Vec<Acknowledge>,
) -> Result<Vec<MarkPlaced>, RepositoryError> {
    let there = match quorum.is_one() {
        true => vec![None; acknowledgements.len()],
        false => there(quorum, &acknowledgements).await?.into_iter().map(Some).collect(),
    };
    // Units of one batch hold each other up; these have nothing to do with each other.
    let batch = |(acknowledge, there)| Batch::of(Part::Acknowledge { acknowledge, there });
    let batches = acknowledgements.into_iter().zip(there).map(batch).collect();
    let replies = quorum.write(batches).await?;
    let mut placed = Vec::new();
    for reply in replies.into_iter().flatten() {
        if let Effect::Marked(marks) = only(reply)? {
            placed.extend(marks);
        }
    }
    Ok(placed)
}

/// What of the acknowledged is there, as a majority knows.
async fn there<R: Replica>(
    quorum: &Quorum<R>,
    acknowledgements: &[Acknowledge],
) -> Result<Vec<There>, RepositoryError> {
    let mut all = Vec::with_capacity(acknowledgements.len());
    for Acknowledge { user, device, messages, receipts, .. } in acknowledgements {
        let keys: Vec<_> = messages.iter().map(|id| key::inbox(user, device, *id)).collect();
        let entries = messages.iter().copied().zip(quorum.get::<InboxEntry>(keys).await?);
        let keys: Vec<_> = receipts.iter().map(|id| key::receipt(user, device, *id)).collect();
        let marks = receipts.iter().copied().zip(quorum.get::<Mark>(keys).await?);
        all.push(There {
            messages: entries.filter_map(|(id, entry)| Some((id, entry?))).collect(),
            receipts: marks.filter_map(|(id, mark)| mark.map(|_| id)).collect(),
        });
    }
    Ok(all)
}

/// The effect of a unit of one part.
pub(super) fn only(reply: UnitReply) -> Result<Effect, RepositoryError> {
    match (reply.stop, reply.effects.into_iter().next()) {
        (None, Some(effect)) => Ok(effect),
        (Some(Stop::TooManyDevices), _) => Err(RepositoryError::TooManyDevices),
        (Some(Stop::Failed(text)), _) => Err(RepositoryError::Unavailable(text)),
        (stop, _) => {
            Err(RepositoryError::Unavailable(format!("a replica gave an odd answer: {stop:?}")))
        }
    }
}
