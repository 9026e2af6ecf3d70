//! Messages that are complete follow an earlier one of their device that has moved up.
//!
//! Where there are several replicas, what is complete can still be overtaken: a majority that has not heard of
//! it moves an earlier message up, while the word of the one that called it complete comes late or stays alone.
//! So before a device is told that a message was complete, a majority is asked how far its others have moved
//! ([`key::moved`]); what is below follows, under the id that was asked for.

use chatcluster_protocol::{
    id::MessageId,
    planted::{Bug, planted},
};

use super::{Lanes, Next, Quorum, Refused, Work};
use crate::{
    apply::{Batch, Effect, Part, Stop, UnitReply},
    key,
    record::{Archived, Moved},
    replica::{Replica, ReplicaError},
};

/// One lane of a round.
#[derive(Default)]
pub(super) struct Following {
    moved: Moved,
    ahead: Ahead,
}

/// What became of the lane's earlier messages.
#[derive(Default)]
enum Ahead {
    /// They are where they are, or never will be.
    #[default]
    Done,
    /// One comes again, and may move up.
    Again,
    /// One moves up to the id that was asked for.
    Moves,
    /// One is to get another id.
    Refused(Refused),
}

impl Following {
    /// Asks how far the messages of each lane have moved, where one of them is said to be complete.
    pub(super) async fn read<R: Replica>(
        quorum: &Quorum<R>,
        lanes: &Lanes,
        replies: &[Vec<UnitReply>],
    ) -> Result<Vec<Self>, ReplicaError> {
        let is_complete = |reply: &UnitReply| matches!(reply.stop, Some(Stop::Complete(..)));
        let asked: Vec<_> = lanes
            .iter()
            .zip(replies)
            .map(|(lane, replies)| {
                let (Work { message, .. }, _) = lane.first()?;
                let key = || key::moved(&message.from, &message.device, message.conversation());
                replies.iter().any(is_complete).then(key)
            })
            .collect();
        let keys: Vec<_> = asked.iter().flatten().cloned().collect();
        let mut found = quorum.get::<Moved>(keys).await?.into_iter();
        let following = |key: Option<_>| {
            let moved = key.and_then(|_| found.next().flatten());
            let moved = moved.filter(|_| !planted(Bug::OvertakenCompleted));
            Self { moved: moved.unwrap_or_default(), ahead: Ahead::Done }
        };
        Ok(asked.into_iter().map(following).collect())
    }

    /// What is to become of the lane's next message, if an earlier one is to get another id, or if it is said to
    /// be complete, and an earlier one is above it or may come to be.
    pub(super) fn overtaken(&self, work: &mut Work, reply: &UnitReply) -> Option<Next> {
        match (&self.ahead, reply.stop.as_ref()?) {
            (Ahead::Refused(refused), _) => Some(Next::Done(Err(refused.clone()))),
            (Ahead::Again, Stop::Complete(..)) => {
                Some(Next::Again { id: work.id, supersede: work.supersede })
            }
            (Ahead::Moves, Stop::Complete(..)) => {
                Some(Next::Again { id: work.asked, supersede: true })
            }
            (Ahead::Done, Stop::Complete(complete, _)) => {
                let floor = self.moved.of_others(&work.message.reference);
                let floor = floor.filter(|floor| floor > complete)?;
                if floor > work.asked {
                    return Some(Next::Done(Err(Refused::OutOfOrder(floor))));
                }
                work.moved = Some(self.moved.clone());
                Some(Next::Again { id: work.asked, supersede: true })
            }
            _ => None,
        }
    }

    /// What becomes of the lane's next message.
    pub(super) fn passed(&mut self, next: &Next) {
        match (next, &self.ahead) {
            (Next::Again { supersede: true, .. }, _) => self.ahead = Ahead::Moves,
            (Next::Again { .. }, Ahead::Done) => self.ahead = Ahead::Again,
            (Next::Done(Err(refused)), _) if comes_again(refused) => {
                self.ahead = Ahead::Refused(refused.clone());
            }
            _ => {}
        }
    }
}

/// A message that one replica moved up, as it knew it under an id that was overtaken, while others had not heard of it:
/// a majority knows of the move before anybody is told, or what its device sent after it would not follow.
pub(super) async fn tell_moved<R: Replica>(
    quorum: &Quorum<R>,
    lanes: &Lanes,
    replies: &[Vec<UnitReply>],
) -> Result<(), ReplicaError> {
    let units = lanes.iter().flatten().zip(replies.iter().flatten());
    let moved = units.filter(|(_, reply)| reply.effects.contains(&Effect::Moved));
    let follow = moved.map(|((work, _), _)| {
        let Work { id, message, .. } = work;
        Batch::of(Part::follow(message, Moved::to(*id, message.reference.clone())))
    });
    let follow: Vec<Batch> = follow.collect();
    if !follow.is_empty() && !planted(Bug::OvertakenCompleted) {
        quorum.write(follow).await?;
    }
    Ok(())
}

/// Whether another message of the device has moved up above this one, which is complete under this id.
pub(super) async fn is_overtaken<R: Replica>(
    quorum: &Quorum<R>,
    id: MessageId,
    message: &Archived,
) -> Result<bool, ReplicaError> {
    let key = key::moved(&message.from, &message.device, message.conversation());
    let moved = quorum.get::<Moved>([key]).await?.into_iter().flatten().next();
    let floor = moved.and_then(|moved| moved.of_others(&message.reference));
    Ok(floor.is_some_and(|floor| floor > id) && !planted(Bug::OvertakenCompleted))
}

/// Whether the device's gateway has it stored again under another id.
fn comes_again(refused: &Refused) -> bool {
    use Refused::{OutOfOrder, TooNew, TooOld, Unavailable};
    matches!(refused, OutOfOrder(_) | TooOld | TooNew | Unavailable(_))
}
