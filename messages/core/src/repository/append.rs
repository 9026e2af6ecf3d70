//! Storing messages: home, inboxes, completion (rule 11).
//!
//! Where one replica is the quorum, the three are parts of one unit and take one synced write. Where
//! there are several, completion comes after the rest is on a majority, so that a single replica that
//! says "complete" proves it. When a unit stops on the way (a device came, the reference is pending
//! under another id), the next round repeats it with what was learnt; a crash in between leaves a
//! pending fan-out, which [`super::fan_out`] finishes.
//!
//! The inboxes are those of the recipient's devices and of the sender's other ones.

use std::collections::{BTreeMap, HashMap};

use chatcluster_protocol::id::{ConversationId, DeviceId, MessageId, UserId};

use super::{Append, Quorum, Refused, Stored, registry};
use crate::{
    apply::{Batch, Inboxes, Part, Stop, Unit, UnitReply},
    key,
    record::{Archived, Registry},
    replica::{Replica, ReplicaError},
};

/// A registry changes once in weeks: needing more rounds means that something else is wrong.
const ROUNDS: usize = 5;

/// A message on its way to being stored.
pub(super) struct Work {
    /// Its place in the request.
    at: usize,
    /// The id that it is stored under in the next round.
    id: MessageId,
    /// The id that was asked for.
    asked: MessageId,
    supersede: bool,
    message: Archived,
}

/// What became of a unit.
enum Next {
    Done(Result<Stored, Refused>),
    Again { id: MessageId, supersede: bool },
}

pub(super) async fn append<R: Replica>(
    quorum: &Quorum<R>,
    appends: Vec<Append>,
) -> Vec<Result<Stored, Refused>> {
    let mut outcomes: Vec<Option<Result<Stored, Refused>>> = vec![None; appends.len()];
    let mut works: Vec<Work> = (0..)
        .zip(appends)
        .map(|(at, Append { id, message })| Work { at, id, asked: id, supersede: false, message })
        .collect();
    for _ in 0..ROUNDS {
        if works.is_empty() {
            break;
        }
        match round(quorum, works).await {
            Ok((done, again)) => {
                for (at, outcome) in done {
                    outcomes[at] = Some(outcome);
                }
                works = again;
                // A replica that has missed something refuses until it knows: a failure shows in the end.
                let _ = registry::tell(quorum, &participants(&works)).await;
            }
            Err(error) => {
                let refused = Err(Refused::Unavailable(error.to_string()));
                return outcomes.into_iter().map(|o| o.unwrap_or(refused.clone())).collect();
            }
        }
    }
    let text = "the devices of sender or recipient changed again and again";
    let unsettled = || Err(Refused::Unavailable(text.into()));
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unsettled)).collect()
}

type Round = (Vec<(usize, Result<Stored, Refused>)>, Vec<Work>);

async fn round<R: Replica>(quorum: &Quorum<R>, works: Vec<Work>) -> Result<Round, ReplicaError> {
    let registries = registries(quorum, &works).await?;
    // One batch per device and conversation, in the order given: what stops one stops the later ones.
    let mut places: BTreeMap<(UserId, DeviceId, ConversationId), usize> = BTreeMap::new();
    let mut batches: Vec<(Vec<Work>, Batch)> = Vec::new();
    for work in works {
        let Archived { from, device, .. } = &work.message;
        let place = (from.clone(), device.clone(), work.message.conversation());
        let at = *places.entry(place).or_insert(batches.len());
        if at == batches.len() {
            batches.push((Vec::new(), Batch(Vec::new())));
        }
        let (works, Batch(units)) = &mut batches[at];
        units.push(unit(&work, &registries, quorum.is_one()));
        works.push(work);
    }
    let (works, batches): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
    let replies = quorum.write(batches).await?;

    let (mut done, mut again, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (mut work, reply) in works.into_iter().flatten().zip(replies.into_iter().flatten()) {
        let applied = reply.stop.is_none();
        match next(&work, reply, &registries) {
            Next::Done(outcome) => {
                done.push((work.at, outcome));
                if applied && !quorum.is_one() {
                    let devices = inboxes(&work.message, &registries);
                    let (id, message) = (work.id, work.message);
                    open.push(Part::Complete { id, stored: id, message, devices });
                }
            }
            Next::Again { id, supersede } => {
                (work.id, work.supersede) = (id, supersede);
                again.push(work);
            }
        }
    }
    if !open.is_empty() {
        let batches = open.into_iter().map(|part| Batch(vec![Unit(vec![part])])).collect();
        // Everything is on its quorum: what this leaves pending is found complete later.
        let _ = quorum.write(batches).await;
    }
    Ok((done, again))
}

/// Who takes part in them, each once.
fn participants(works: &[Work]) -> Vec<UserId> {
    let mut users: Vec<UserId> =
        works.iter().flat_map(|work| work.message.participants()).cloned().collect();
    users.sort_unstable();
    users.dedup();
    users
}

async fn registries<R: Replica>(
    quorum: &Quorum<R>,
    works: &[Work],
) -> Result<HashMap<UserId, Registry>, ReplicaError> {
    let users = participants(works);
    let read = quorum.get(users.iter().map(key::registry).collect::<Vec<_>>()).await?;
    Ok(users.into_iter().zip(read.into_iter().map(Option::unwrap_or_default)).collect())
}

fn unit(work: &Work, registries: &HashMap<UserId, Registry>, complete: bool) -> Unit {
    let Work { id, supersede, message, .. } = work;
    let mut parts = vec![Part::Home { id: *id, message: message.clone(), supersede: *supersede }];
    // Also where there is no device: one may come in between.
    let to = message.participants().map(|user| Inboxes {
        user: user.clone(),
        devices: devices(message, user, registries),
        version: registries.get(user).map_or(0, |registry| registry.version),
    });
    parts.push(Part::Deliver {
        id: *id,
        conversation: message.conversation(),
        from: message.from.clone(),
        to: to.collect(),
    });
    if complete {
        let devices = inboxes(message, registries);
        parts.push(Part::Complete { id: *id, stored: *id, message: message.clone(), devices });
    }
    Unit(parts)
}

fn next(work: &Work, reply: UnitReply, registries: &HashMap<UserId, Registry>) -> Next {
    let stored = |id, devices| {
        Next::Done(Ok(Stored { id, conversation: work.message.conversation(), devices }))
    };
    match reply.stop {
        None => stored(work.id, inboxes(&work.message, registries)),
        Some(Stop::Complete(id, devices)) => stored(id, devices),
        Some(Stop::Pending(id)) if work.id == work.asked => Next::Again { id, supersede: false },
        Some(Stop::StaleRegistry | Stop::Held) => {
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

/// Whose inboxes get it.
fn inboxes(message: &Archived, registries: &HashMap<UserId, Registry>) -> Vec<(UserId, DeviceId)> {
    let of = |user: &UserId| {
        let devices = devices(message, user, registries).into_iter();
        let user = user.clone();
        devices.map(move |device| (user.clone(), device))
    };
    message.participants().flat_map(of).collect()
}

/// The devices of a user that get it: all, but never the one that sent it.
fn devices(
    message: &Archived,
    user: &UserId,
    registries: &HashMap<UserId, Registry>,
) -> Vec<DeviceId> {
    let Some(registry) = registries.get(user) else { return Vec::new() };
    let sent = |device: &DeviceId| *user == message.from && *device == message.device;
    registry.devices.keys().filter(|device| !sent(device)).cloned().collect()
}
