//! What devices say of themselves: that they are here, and what they have kept.

use chatcluster_protocol::id::{DeviceId, UserId};

use super::{Acknowledge, MarkPlaced, Quorum, RepositoryError};
use crate::{
    apply::{Batch, Effect, Part, Stop, Unit, UnitReply},
    replica::Replica,
};

pub(super) async fn register<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    device: DeviceId,
) -> Result<bool, RepositoryError> {
    let parts = vec![Part::Register { user, device }];
    let replies = quorum.write(vec![Batch(vec![Unit(parts)])]).await?;
    for reply in replies.into_iter().flatten() {
        if let Effect::Registered { created } = only(reply)? {
            return Ok(created);
        }
    }
    Err(RepositoryError::Unavailable("a replica gave no answer to a registration".into()))
}

pub(super) async fn acknowledge<R: Replica>(
    quorum: &Quorum<R>,
    acknowledgements: Vec<Acknowledge>,
) -> Result<Vec<MarkPlaced>, RepositoryError> {
    // Units of one batch hold each other up; these have nothing to do with each other.
    let unit = |ack| Batch(vec![Unit(vec![Part::Acknowledge(ack)])]);
    let replies = quorum.write(acknowledgements.into_iter().map(unit).collect()).await?;
    let mut placed = Vec::new();
    for reply in replies.into_iter().flatten() {
        if let Effect::Marked(marks) = only(reply)? {
            placed.extend(marks);
        }
    }
    Ok(placed)
}

/// The effect of a unit of one part.
fn only(reply: UnitReply) -> Result<Effect, RepositoryError> {
    match (reply.stop, reply.effects.into_iter().next()) {
        (None, Some(effect)) => Ok(effect),
        (Some(Stop::TooManyDevices), _) => Err(RepositoryError::TooManyDevices),
        (Some(Stop::Failed(text)), _) => Err(RepositoryError::Unavailable(text)),
        (stop, _) => {
            Err(RepositoryError::Unavailable(format!("a replica gave an odd answer: {stop:?}")))
        }
    }
}
