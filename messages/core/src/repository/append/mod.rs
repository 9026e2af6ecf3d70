//! Storing messages: home, inboxes, completion (rule 11).
//!
//! Where one replica is the quorum, the three are parts of one unit and take one synced write. Where
//! there are several, completion comes after the rest is on a majority, so that a single replica that
//! says "complete" proves it. When a unit stops on the way (a device came, a group changed, the reference is
//! pending under another id), the next round repeats it with what was learnt; a crash in between leaves a
//! pending fan-out, which [`super::fan_out`] finishes.
//!
//! The inboxes are those of the recipients' devices and of the sender's other ones ([`recipients`]).

mod following;
mod recipients;

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::id::{DeviceId, GroupId, MessageId, UserId};
use following::{Following, is_overtaken};
use recipients::{Destination, Groups, Registries, lane};

use super::{Append, Quorum, Refused, Stored, registry};
use crate::{
    apply::{Basis, Batch, Claim, Part, Stop, Unit, UnitReply},
    record::{Archived, Moved, ReferenceRecord, ReferenceState},
    replica::{Replica, ReplicaError},
};

/// A registry changes once in weeks, and a group hardly more often: needing more rounds means that something
/// else is wrong.
const ROUNDS: usize = 5;

/// Who has messages stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// Their device, which is told under which ids.
    Device,
    /// A look at what is pending: nobody is told, so nothing has to follow what moved up.
    FanOut,
}

/// A message on its way to being stored.
struct Work {
    /// Its place in the request.
    at: usize,
    /// The id that it is stored under in the next round.
    id: MessageId,
    /// The id that was asked for.
    asked: MessageId,
    supersede: bool,
    /// How far the device's messages have moved up, where this one has to follow.
    moved: Option<Moved>,
    message: Archived,
    /// Whom it is for, as of this round.
    users: Vec<UserId>,
}

/// What became of a unit.
enum Next {
    Done(Result<Stored, Refused>),
    /// It was complete before, and its devices are not remembered: it went to a group.
    Before(MessageId),
    Again {
        id: MessageId,
        supersede: bool,
    },
}

pub(super) async fn append<R: Replica>(
    quorum: &Quorum<R>,
    appends: Vec<Append>,
    asker: Asker,
) -> Vec<Result<Stored, Refused>> {
    let mut outcomes: Vec<Option<Result<Stored, Refused>>> = vec![None; appends.len()];
    let work = |(at, Append { id, message })| Work {
        at,
        id,
        asked: id,
        supersede: false,
        moved: None,
        message,
        users: Vec::new(),
    };
    let mut works: Vec<Work> = (0..).zip(appends).map(work).collect();
    for _ in 0..ROUNDS {
        if works.is_empty() {
            break;
        }
        match round(quorum, works, asker).await {
            Ok((done, again)) => {
                for (at, outcome) in done {
                    outcomes[at] = Some(outcome);
                }
                works = again;
                tell(quorum, &works).await;
            }
            Err(error) => {
                let refused = Err(Refused::Unavailable(error.to_string()));
                return outcomes.into_iter().map(|o| o.unwrap_or(refused.clone())).collect();
            }
        }
    }
    let text = "the devices or the group of the recipients changed again and again";
    let unsettled = || Err(Refused::Unavailable(text.into()));
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unsettled)).collect()
}

/// A replica that has missed something refuses until it knows: a failure shows in the end.
async fn tell<R: Replica>(quorum: &Quorum<R>, works: &[Work]) {
    let users: BTreeSet<&UserId> = works.iter().flat_map(|work| &work.users).collect();
    let _ = registry::tell(quorum, &users.into_iter().cloned().collect::<Vec<_>>()).await;
    let groups: BTreeSet<GroupId> = works.iter().filter_map(|work| work.message.group()).collect();
    let _ = recipients::tell_groups(quorum, groups).await;
}

type Done = Vec<(usize, Result<Stored, Refused>)>;

/// In lanes: what stops a message of a device stops its later ones in the same conversation.
type Lanes = Vec<Vec<(Work, Option<Basis>)>>;

async fn round<R: Replica>(
    quorum: &Quorum<R>,
    works: Vec<Work>,
    asker: Asker,
) -> Result<(Done, Vec<Work>), ReplicaError> {
    let (mut done, lanes) = destined(quorum, works, asker).await?;
    let users = lanes.iter().flatten().flat_map(|(work, _)| &work.users);
    let registries = Registries::read(quorum, users).await?;
    let batch = |lane: &Vec<(Work, Option<Basis>)>| {
        let one = quorum.is_one();
        let units =
            lane.iter().map(|(work, group)| unit(work, group.clone(), &registries, asker, one));
        Batch(units.collect())
    };
    let replies = quorum.write(lanes.iter().map(batch).collect()).await?;
    following::tell_moved(quorum, &lanes, &replies).await?;
    // One replica is the quorum: it never has anything move up.
    let following = match asker {
        Asker::Device if !quorum.is_one() => Following::read(quorum, &lanes, &replies).await?,
        _ => Vec::new(),
    };

    let (mut again, mut open) = (Vec::new(), Vec::new());
    for Answered { mut work, applied, next } in answered(lanes, replies, following, &registries) {
        match next {
            Next::Done(outcome) => {
                if applied && !quorum.is_one() {
                    let devices = remembered(&work, &registries);
                    let (id, message) = (work.id, work.message);
                    open.push(Part::Complete { id, stored: id, message, devices });
                }
                done.push((work.at, outcome));
            }
            Next::Before(id) => {
                done.push((work.at, Ok(before(quorum, id, &work, &registries).await?)))
            }
            Next::Again { id, supersede } => {
                (work.id, work.supersede) = (id, supersede);
                again.push(work);
            }
        }
    }
    if !open.is_empty() {
        let batches = open.into_iter().map(Batch::of).collect();
        // Everything is on its quorum: what this leaves pending is found complete later.
        let _ = quorum.write(batches).await;
    }
    Ok((done, again))
}

struct Answered {
    work: Work,
    applied: bool,
    next: Next,
}

fn answered(
    lanes: Lanes,
    replies: Vec<Vec<UnitReply>>,
    following: Vec<Following>,
    registries: &Registries,
) -> Vec<Answered> {
    let mut following = following.into_iter();
    let mut answered = Vec::new();
    for (lane, replies) in lanes.into_iter().zip(replies) {
        let mut following = following.next();
        for ((mut work, _), reply) in lane.into_iter().zip(replies) {
            let applied = reply.stop.is_none();
            let overtaken = following.as_ref().and_then(|f| f.overtaken(&mut work, &reply));
            let next = overtaken.unwrap_or_else(|| next(&work, reply, registries));
            if let Some(following) = &mut following {
                following.passed(&next);
            }
            answered.push(Answered { work, applied, next });
        }
    }
    answered
}

/// Whom messages are for. What may not be stored is done already.
async fn destined<R: Replica>(
    quorum: &Quorum<R>,
    works: Vec<Work>,
    asker: Asker,
) -> Result<(Done, Lanes), ReplicaError> {
    let mut groups = Groups::read(quorum, works.iter().map(|work| &work.message)).await?;
    let mut places = BTreeMap::new();
    let mut sorted: Vec<Vec<Work>> = Vec::new();
    for work in works {
        let at = *places.entry(lane(&work.message)).or_insert(sorted.len());
        if at == sorted.len() {
            sorted.push(Vec::new());
        }
        sorted[at].push(work);
    }
    let (mut done, mut lanes) = (Vec::new(), Vec::new());
    for works in sorted {
        let mut lane = Vec::with_capacity(works.len());
        for work in works {
            match groups.destination(work.id, &work.message) {
                Ok(to) => lane.push(bound(work, to)),
                // What was allowed when it came stays so, whatever has become of its sender's part.
                Err(refusal) => match recipients::before(quorum, &work.message).await? {
                    Some(ReferenceRecord { id, state: ReferenceState::Complete(_), .. })
                        if stays(quorum, id, &work, lane.is_empty(), asker).await? =>
                    {
                        let users = groups.users_of_stored(id, &work.message);
                        let work = Work { users, ..work };
                        let registries = Registries::read(quorum, work.users.iter()).await?;
                        let stored = before(quorum, id, &work, &registries).await?;
                        done.push((work.at, Ok(stored)));
                    }
                    // Pending, or complete where it may not stay.
                    Some(_) => {
                        let to = groups.destination_of_pending(work.id, &work.message);
                        lane.push(bound(work, to));
                    }
                    None => done.push((work.at, Err(refusal.into()))),
                },
            }
        }
        lanes.push(lane);
    }
    Ok((done, lanes))
}

/// Whether what is complete under this id is told as it is: no earlier message of its device is above it, nor
/// may come to be, as may what is in the lane before it.
async fn stays<R: Replica>(
    quorum: &Quorum<R>,
    id: MessageId,
    work: &Work,
    is_first: bool,
    asker: Asker,
) -> Result<bool, ReplicaError> {
    if asker == Asker::FanOut || quorum.is_one() {
        return Ok(true);
    }
    Ok(is_first && !is_overtaken(quorum, id, &work.message).await?)
}

fn bound(work: Work, to: Destination) -> (Work, Option<Basis>) {
    (Work { users: to.users, ..work }, to.group)
}

fn unit(
    work: &Work,
    group: Option<Basis>,
    registries: &Registries,
    asker: Asker,
    complete: bool,
) -> Unit {
    let Work { id, message, .. } = work;
    let claim = match asker {
        _ if work.supersede => Claim::Supersedes,
        Asker::FanOut if work.id == work.asked => Claim::Finishes,
        _ => Claim::First,
    };
    let home = Part::Home { id: *id, message: message.clone(), claim, group };
    let deliver = Part::Deliver {
        id: *id,
        conversation: message.conversation(),
        from: message.from.clone(),
        to: work.users.iter().map(|user| registries.inboxes(message, user)).collect(),
    };
    let devices = || remembered(work, registries);
    let complete = complete.then(|| Part::Complete {
        id: *id,
        stored: *id,
        message: message.clone(),
        devices: devices(),
    });
    let follow = work.moved.clone().map(|known| Part::follow(message, known));
    Unit(follow.into_iter().chain([home, deliver]).chain(complete).collect())
}

/// The devices that are told to whoever repeats the message.
fn remembered(work: &Work, registries: &Registries) -> Vec<(UserId, DeviceId)> {
    match work.message.group() {
        Some(_) => Vec::new(),
        None => registries.devices(&work.message, &work.users),
    }
}

/// A message to a group that was stored before: those that have not acknowledged it may not have heard of it.
async fn before<R: Replica>(
    quorum: &Quorum<R>,
    id: MessageId,
    work: &Work,
    registries: &Registries,
) -> Result<Stored, ReplicaError> {
    let devices = registries.devices(&work.message, &work.users);
    let devices = recipients::still_owed(quorum, id, devices).await?;
    Ok(Stored { id, conversation: work.message.conversation(), devices })
}

fn next(work: &Work, reply: UnitReply, registries: &Registries) -> Next {
    let stored = |id, devices| {
        Next::Done(Ok(Stored { id, conversation: work.message.conversation(), devices }))
    };
    match reply.stop {
        None => stored(work.id, registries.devices(&work.message, &work.users)),
        Some(Stop::Complete(id, _)) if work.message.group().is_some() => Next::Before(id),
        Some(Stop::Complete(id, devices)) => stored(id, devices),
        Some(Stop::Pending(id)) if work.id == work.asked => Next::Again { id, supersede: false },
        Some(Stop::StaleRegistry | Stop::StaleGroup | Stop::Held) => {
            Next::Again { id: work.id, supersede: work.supersede }
        }
        // The pending id is on too few replicas and too late for the others: the id that was asked
        // for takes its place. Both have one identity, so nobody shows the message twice.
        Some(Stop::OutOfOrder(_) | Stop::TooOld | Stop::Pending(_)) if work.id != work.asked => {
            Next::Again { id: work.asked, supersede: true }
        }
        Some(stop) => Next::Done(Err(refused(stop))),
    }
}

fn refused(stop: Stop) -> Refused {
    match stop {
        Stop::OutOfOrder(highest) => Refused::OutOfOrder(highest),
        Stop::TooOld => Refused::TooOld,
        Stop::TooNew => Refused::TooNew,
        Stop::Conflict => Refused::ReferenceConflict,
        Stop::Failed(text) => Refused::Unavailable(text),
        other => Refused::Unavailable(format!("a replica gave an odd answer: {other:?}")),
    }
}
