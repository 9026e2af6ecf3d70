//! The home of a message: archive, reference, order, fan-out. Rules 8 to 11.

use chatcluster_protocol::{
    Millis,
    id::{ConversationId, DeviceId, MessageId, UserId},
    limits::{APPEND_WINDOW, REFERENCE_LIFETIME},
    planted::{Bug, planted},
};

use super::{Applied, Basis, Claim, Effect, Stop, group, read};
use crate::{
    key,
    record::{Archived, Id, Moved, ReferenceRecord, ReferenceState, encode},
    view::{ViewError, ViewMut},
};

/// Stores a message, unless its reference or its id says otherwise.
pub(super) fn store(
    view: &mut impl ViewMut,
    id: MessageId,
    message: &Archived,
    claim: Claim,
    basis: Option<&Basis>,
    now: Millis,
) -> Applied {
    let supersede = claim == Claim::Supersedes;
    let has_to_follow = |view: &_, id| match claim {
        Claim::Finishes => Ok(false),
        Claim::First | Claim::Supersedes => is_overtaken(view, message, id),
    };
    // The reference comes first: a repeat of what is stored is never out of order.
    let before = match known(view, message, now)? {
        Known::Not => None,
        // What a late answer or a lone replica called complete follows what moved up all the same.
        Known::Stop(Stop::Complete(before, _))
            if supersede && before < id && has_to_follow(view, before)? =>
        {
            Some(before)
        }
        Known::Stop(stop) => return Ok(Err(stop)),
        Known::Pending(before) if supersede || before == id || has_to_follow(view, before)? => {
            Some(before)
        }
        Known::Pending(before) => return Ok(Err(Stop::Pending(before))),
    };
    let conversation = message.conversation();
    let archive = key::archive(conversation, id);
    // What is here already was checked when it came; now its unit goes on where it ended.
    if read::<Archived>(view, &archive)?.is_some() && !has_to_follow(view, id)? {
        // It moves up elsewhere: whoever hears of it here is to know.
        if supersede {
            raise(view, message, id)?;
        }
        let moved = read::<Moved>(view, &moved(message))?.unwrap_or_default();
        let moves = !supersede && moved.has(id, &message.reference);
        return Ok(Ok(if moves { Effect::Moved } else { Effect::Applied }));
    }
    if id.millis().saturating_add(APPEND_WINDOW) < now && !planted(Bug::OldTaken) {
        return Ok(Err(Stop::TooOld));
    }
    if id.millis() > now.saturating_add(APPEND_WINDOW) {
        return Ok(Err(Stop::TooNew));
    }
    let group = message.group().zip(basis);
    if let Some((group, basis)) = group
        && group::digest(view, group)? != basis.digest
        && !planted(Bug::OldGroupTaken)
    {
        return Ok(Err(Stop::StaleGroup));
    }
    let order = key::order(&message.from, &message.device, conversation);
    if let Some(Id(highest)) = read::<Id>(view, &order)?
        && highest >= id
        && !planted(Bug::LowerIdTaken)
    {
        return Ok(Err(Stop::OutOfOrder(highest)));
    }
    let joined = risen(view, message, conversation, id)?;
    let change = group.and_then(|(group, basis)| Some((group, basis.next.as_deref()?)));
    let entered = change.map(|(group, next)| group::entered(view, group, next)).transpose()?;

    let pending = ReferenceRecord { id, hash: message.hash(), state: ReferenceState::Pending };
    view.put(archive, encode(message))?;
    view.put(key::index(id), encode(conversation))?;
    view.put(reference(message), encode(pending))?;
    view.put(order, encode(Id(id)))?;
    view.put(key::fan_out(id), encode(conversation))?;
    if supersede || before.is_some() {
        raise(view, message, id)?;
    }
    for key in joined {
        view.put(key, encode(Id(id)))?;
    }
    if let Some(((group, next), entered)) = change.zip(entered) {
        group::put(view, group, next, entered)?;
    }
    let moves = !supersede && before.is_some_and(|before| before != id);
    Ok(Ok(if moves { Effect::Moved } else { Effect::Applied }))
}

/// Whether another message of the device has moved up above this id, so that the message has to follow.
fn is_overtaken(view: &impl ViewMut, message: &Archived, id: MessageId) -> Result<bool, ViewError> {
    let moved = read::<Moved>(view, &moved(message))?;
    let floor = moved.and_then(|moved| moved.of_others(&message.reference));
    Ok(floor.is_some_and(|floor| id < floor) && !planted(Bug::OvertakenCompleted))
}

/// A message has moved up to this id.
fn raise(view: &mut impl ViewMut, message: &Archived, id: MessageId) -> Result<(), ViewError> {
    learn(view, moved(message), Moved::to(id, message.reference.clone()))
}

/// How far a device's messages have moved up elsewhere.
pub(super) fn follow(
    view: &mut impl ViewMut,
    (user, device): (&UserId, &DeviceId),
    conversation: ConversationId,
    known: &Moved,
) -> Applied {
    learn(view, key::moved(user, device, conversation), known.clone())?;
    Ok(Ok(Effect::Applied))
}

/// The same of a message that another replica has under another id.
pub(super) fn differs(
    view: &mut impl ViewMut,
    key: &[u8],
    own: MessageId,
    joined: MessageId,
) -> Result<(), ViewError> {
    let conversation: Option<ConversationId> = read(view, &key::index(own))?;
    if let (Some(conversation), Some((user, device, reference))) =
        (conversation, key::reference_of(key))
    {
        learn(view, key::moved(&user, &device, conversation), Moved::to(joined, reference))?;
    }
    Ok(())
}

fn learn(view: &mut impl ViewMut, key: key::Key, known: Moved) -> Result<(), ViewError> {
    let before = read::<Moved>(view, &key)?.unwrap_or_default();
    let joined = before.clone().joined(known);
    if joined != before {
        view.put(key, encode(joined))?;
    }
    Ok(())
}

/// What is known of a message's reference.
pub(super) enum Known {
    /// Nothing.
    Not,
    /// It is pending under this id.
    Pending(MessageId),
    /// It is not to be stored.
    Stop(Stop),
}

impl Known {
    /// Why the message cannot be stored under this id, if that is why.
    pub(super) fn stop(self, id: MessageId) -> Option<Stop> {
        match self {
            Self::Stop(stop) => Some(stop),
            Self::Pending(before) if before != id => Some(Stop::Pending(before)),
            Self::Pending(_) | Self::Not => None,
        }
    }
}

pub(super) fn known(
    view: &impl ViewMut,
    message: &Archived,
    now: Millis,
) -> Result<Known, ViewError> {
    let record = read::<ReferenceRecord>(view, &reference(message))?;
    let Some(record) = record else { return Ok(Known::Not) };
    let forgotten = record.id.millis().saturating_add(REFERENCE_LIFETIME) < now;
    if forgotten || planted(Bug::ReferenceForgotten) {
        return Ok(Known::Not);
    }
    if record.hash != message.hash() && !planted(Bug::ConflictIgnored) {
        return Ok(Known::Stop(Stop::Conflict));
    }
    Ok(match record.state {
        ReferenceState::Complete(devices) => Known::Stop(Stop::Complete(record.id, devices)),
        ReferenceState::Pending if planted(Bug::PendingIsComplete) => {
            Known::Stop(Stop::Complete(record.id, Vec::new()))
        }
        ReferenceState::Pending => Known::Pending(record.id),
    })
}

/// The participations that `id` is the newest of. They are maxima: an id that comes late (from
/// another device of the user) leaves them as they are.
fn risen(
    view: &impl ViewMut,
    message: &Archived,
    conversation: ConversationId,
    id: MessageId,
) -> Result<Vec<key::Key>, ViewError> {
    let mut risen = Vec::with_capacity(2);
    for user in message.pair() {
        let key = key::participation(user, conversation);
        let highest = read::<Id>(view, &key)?;
        if highest.is_none_or(|Id(highest)| highest < id) {
            risen.push(key);
        }
    }
    Ok(risen)
}

/// The inboxes have it.
pub(super) fn complete(
    view: &mut impl ViewMut,
    id: MessageId,
    stored: MessageId,
    message: &Archived,
    devices: &[(UserId, DeviceId)],
    now: Millis,
) -> Applied {
    let key = reference(message);
    let ours = read::<ReferenceRecord>(view, &key)?.filter(|record| record.id == id);
    if let Some(record) = ours {
        if stored != id {
            raise(view, message, stored)?;
        }
        let state = ReferenceState::Complete(devices.to_vec());
        view.put(key, encode(ReferenceRecord { id: stored, state, ..record }))?;
    }
    view.remove(&key::fan_out(id), now)?;
    Ok(Ok(Effect::Applied))
}

fn moved(message: &Archived) -> key::Key {
    key::moved(&message.from, &message.device, message.conversation())
}

fn reference(message: &Archived) -> key::Key {
    key::reference(&message.from, &message.device, &message.reference)
}
