//! How far users have read, and the receipts that say so, in one step.
//!
//! As with [`super::acknowledge`], everybody's registries and inboxes are on one island as long as there is
//! one.

use chatcluster_protocol::{
    Millis,
    client::ReceiptKind,
    id::{DeviceId, Identity, UserId},
    planted::{Bug, planted},
};

use super::{
    Applied, Effect, MarkPlaced,
    mark::{place, receipt_id, told_devices},
    read,
};
use crate::{
    key,
    record::{Mark, MarkKind, Told, encode},
    repository::MarkRead,
    view::{ViewError, ViewMut},
};

/// Raises the user's mark, and tells the devices of `others` and the user's own other ones. What is
/// there already goes once more to the devices that have not acknowledged it: whoever asked before may
/// have ended without telling them.
pub(super) fn mark(
    view: &mut impl ViewMut,
    asked: &MarkRead,
    others: &[UserId],
    known: Option<Told>,
    now: Millis,
) -> Applied {
    let MarkRead { user, conversation, up_to, .. } = asked;
    let key = key::read_mark(user, *conversation);
    let here: Option<Told> = read(view, &key)?;
    let before = Told::further_of(here, known);
    let rises = before.is_none_or(|before| before.up_to < *up_to) || planted(Bug::LowerMarkTaken);
    let told = match before {
        Some(before) if !rises => before,
        _ => {
            let identity = Identity::of_receipt(ReceiptKind::Read, user, *conversation);
            let last = before.map(|before| before.receipt);
            Told { receipt: receipt_id(asked.stamp, last, identity), up_to: *up_to }
        }
    };
    let mut marks = Vec::with_capacity(others.len() + 1);
    for to in others.iter().chain([user]) {
        let mut mark = placed(view, asked, to, told)?;
        if !rises {
            mark.devices = owed(view, &mark)?;
        }
        if !mark.devices.is_empty() {
            marks.push(mark);
        }
    }
    if rises || here != before {
        view.put(key, encode(told))?;
    }
    if rises {
        for mark in &marks {
            place(view, mark, before.map(|before| before.receipt), now)?;
        }
    }
    Ok(Ok(Effect::Marked(marks)))
}

/// The mark for all devices of a user, but not for the one that has read.
fn placed(
    view: &impl ViewMut,
    asked: &MarkRead,
    to: &UserId,
    Told { receipt, up_to }: Told,
) -> Result<MarkPlaced, ViewError> {
    Ok(MarkPlaced {
        receipt,
        to: to.clone(),
        devices: told_devices(view, to, (&asked.user, &asked.device))?,
        conversation: asked.conversation,
        peer: asked.user.clone(),
        kind: MarkKind::Read,
        up_to,
    })
}

/// Those of a mark's devices in whose inbox it still is.
fn owed(view: &impl ViewMut, mark: &MarkPlaced) -> Result<Vec<DeviceId>, ViewError> {
    let mut owed = Vec::new();
    for device in &mark.devices {
        let key = key::receipt(&mark.to, device, mark.receipt);
        if read::<Mark>(view, &key)?.is_some() {
            owed.push(device.clone());
        }
    }
    Ok(owed)
}
