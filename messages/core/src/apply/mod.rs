//! What a replica checks and changes, as pure functions over its view. Every kind of replica runs
//! these inside of one transaction per call, so that checks and changes are one step.
//!
//! - [`home`]: the message itself, on its conversation's island (rules 8 to 11)
//! - [`group`]: who takes part, where it goes to a group
//! - [`inbox`]: the recipient's side (rule 12)
//! - [`registry`]: which devices a user has; [`removal`]: how one leaves; [`revocation`]: whose tokens are
//!   not accepted any more
//! - [`acknowledge`]: removal, and the receipts that follow from it; [`reading`]: how far users have read;
//!   [`mark`]: receipts in inboxes
//! - [`privacy`]: what users let others see
//! - [`repair`]: what other replicas have, and what none is to have any more

mod acknowledge;
mod group;
mod home;
mod inbox;
mod mark;
mod part;
mod privacy;
mod reading;
mod registry;
mod removal;
mod repair;
mod revocation;

use chatcluster_protocol::{Millis, id::MessageId};
pub use part::{
    Basis, Batch, Claim, Effect, Inboxes, MarkPlaced, Part, Stop, There, Unit, UnitReply,
};
pub use registry::{DEVICES, LEFT};

use crate::{
    key,
    record::{self, Archived},
    view::{ViewError, ViewMut},
};

/// Applies a batch as of `now`, this replica's own wall clock. The answer has one reply per unit.
///
/// # Errors
/// When the storage failed: the caller then keeps nothing of the whole transaction. A record that
/// cannot be read stops only the unit that needs it.
pub fn apply(
    view: &mut impl ViewMut,
    batch: &Batch,
    now: Millis,
) -> Result<Vec<UnitReply>, ViewError> {
    let mut replies: Vec<UnitReply> = Vec::with_capacity(batch.0.len());
    let mut holds = None;
    for unit in &batch.0 {
        let reply = match &holds {
            Some(stop) if !is_here(view, unit)? => held_unit(view, unit, stop, now)?,
            _ => apply_unit(view, unit, now)?,
        };
        holds = holds.or_else(|| reply.stop.as_ref().and_then(Stop::holds_for_later));
        replies.push(reply);
    }
    Ok(replies)
}

/// Whether a unit only finishes what is stored here: it comes before nothing that it did not come before.
fn is_here(view: &impl ViewMut, unit: &Unit) -> Result<bool, ViewError> {
    match home_of(unit) {
        Some((id, message, Claim::Finishes)) => {
            Ok(view.get(&key::archive(message.conversation(), id))?.is_some())
        }
        _ => Ok(false),
    }
}

/// The message that a unit stores, if it does.
fn home_of(unit: &Unit) -> Option<(MessageId, &Archived, Claim)> {
    unit.0.iter().find_map(|part| match part {
        Part::Home { id, message, claim, .. } => Some((*id, message, *claim)),
        _ => None,
    })
}

/// A unit behind one that was stopped. Where that one comes again at once, this one is told what it will
/// need to know by then.
fn held_unit(
    view: &impl ViewMut,
    unit: &Unit,
    stop: &Stop,
    now: Millis,
) -> Result<UnitReply, ViewError> {
    let known = match (stop, home_of(unit)) {
        (Stop::Held, Some((id, message, _))) => match home::known(view, message, now) {
            Err(ViewError::Corrupt(corrupt)) => Some(Stop::Failed(corrupt.to_string())),
            known => known?.stop(id),
        },
        _ => None,
    };
    Ok(UnitReply { effects: Vec::new(), stop: known.or_else(|| Some(stop.clone())) })
}

fn apply_unit(view: &mut impl ViewMut, unit: &Unit, now: Millis) -> Result<UnitReply, ViewError> {
    let mut effects = Vec::new();
    for part in &unit.0 {
        match apply_part(view, part, now) {
            Ok(Ok(effect)) => effects.push(effect),
            Ok(Err(stop)) => return Ok(UnitReply { effects, stop: Some(stop) }),
            // Each part reads all that it needs before it changes anything: nothing is half done.
            Err(ViewError::Corrupt(corrupt)) => {
                let stop = Some(Stop::Failed(corrupt.to_string()));
                return Ok(UnitReply { effects, stop });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(UnitReply { effects, stop: None })
}

type Applied = Result<Result<Effect, Stop>, ViewError>;

fn apply_part(view: &mut impl ViewMut, part: &Part, now: Millis) -> Applied {
    match part {
        Part::Home { id, message, claim, group } => {
            home::store(view, *id, message, *claim, group.as_ref(), now)
        }
        Part::Follow { user, device, conversation, known } => {
            home::follow(view, (user, device), *conversation, known)
        }
        Part::Complete { id, stored, message, devices } => {
            home::complete(view, *id, *stored, message, devices, now)
        }
        Part::Deliver { id, conversation, from, to } => {
            let entry = record::InboxEntry { conversation: *conversation, from: from.clone() };
            inbox::deliver(view, *id, entry, to)
        }
        Part::Register { user, device, known, issued } => {
            registry::register(view, user, device, known.as_ref(), *issued, now)
        }
        Part::LearnGroup { group, known } => group::learn(view, *group, known),
        Part::Learn { user, known } => registry::learn(view, user, known, now),
        Part::Unregister { user, device, known, unseen_since } => {
            removal::unregister(view, user, device, known.as_ref(), *unseen_since, now)
        }
        Part::Revoke { user, device, before } => {
            revocation::revoke(view, user, device.as_ref(), *before, now)
        }
        Part::Forget(keys) => repair::forget(view, keys, now),
        Part::Clear { user, device, keys } => removal::clear(view, user, device, keys, now),
        Part::Acknowledge { acknowledge, there } => {
            acknowledge::apply(view, acknowledge, there.as_ref(), now)
        }
        Part::MarkRead { mark, others, known } => reading::mark(view, mark, others, *known, now),
        Part::Join(rows) => repair::join(view, rows),
        Part::Erase { rows, joining } => repair::erase(view, rows, *joining),
        Part::SetPrivacy { user, privacy } => privacy::set(view, user, *privacy),
    }
}

/// Reads and decodes one record.
fn read<T: serde::de::DeserializeOwned>(
    view: &impl ViewMut,
    key: &[u8],
) -> Result<Option<T>, ViewError> {
    match view.get(key)? {
        Some(value) => Ok(record::decode(key, &value)?),
        None => Ok(None),
    }
}
