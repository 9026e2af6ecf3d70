//! Receipts in inboxes: one for each conversation, user and kind, replaced by newer ones.

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, HybridClock, Identity, MessageId, Stamp, UserId},
};

use super::{MarkPlaced, read};
use crate::{
    key,
    record::{Mark, Registry, encode},
    view::{ViewError, ViewMut},
};

/// The id of a receipt, never below that of the one before.
pub(super) fn receipt_id(stamp: Stamp, last: Option<MessageId>, identity: Identity) -> MessageId {
    let stamp = match last {
        Some(last) if last.stamp() >= stamp => {
            let mut clock = HybridClock::default();
            clock.observe(last);
            clock.next(0)
        }
        _ => stamp,
    };
    MessageId::new(stamp, identity)
}

/// The devices of a user who are told of what `by` has done: all, but not the one that did it.
pub(super) fn told_devices(
    view: &impl ViewMut,
    to: &UserId,
    by: (&UserId, &DeviceId),
) -> Result<Vec<DeviceId>, ViewError> {
    let registry: Registry = read(view, &key::registry(to))?.unwrap_or_default();
    Ok(registry.devices.into_keys().filter(|device| (to, device) != by).collect())
}

/// Puts a mark into the inboxes of its devices, in place of the one before.
pub(super) fn place(
    view: &mut impl ViewMut,
    mark: &MarkPlaced,
    old: Option<MessageId>,
    now: Millis,
) -> Result<(), ViewError> {
    let value = encode(Mark {
        conversation: mark.conversation,
        peer: mark.peer.clone(),
        kind: mark.kind,
        up_to: mark.up_to,
    });
    for device in &mark.devices {
        if let Some(old) = old {
            let key = key::receipt(&mark.to, device, old);
            if view.get(&key)?.is_some() {
                view.remove(&key, now)?;
            }
        }
        view.put(key::receipt(&mark.to, device, mark.receipt), value.clone())?;
    }
    Ok(())
}
