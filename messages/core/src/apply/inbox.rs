//! Filling inboxes. Rule 12.

use chatcluster_protocol::{
    id::{DeviceId, MessageId, UserId},
    planted::{Bug, planted},
};

use super::{Applied, Effect, Stop, read};
use crate::{
    key,
    record::{InboxEntry, Registry, encode},
    view::ViewMut,
};

/// Puts a message into the inboxes of `devices`, if the registry is still the one that named them.
pub(super) fn deliver(
    view: &mut impl ViewMut,
    id: MessageId,
    entry: InboxEntry,
    to: &UserId,
    devices: &[DeviceId],
    version: u64,
) -> Applied {
    let registry: Registry = read(view, &key::registry(to))?.unwrap_or_default();
    if registry.version > version && !planted(Bug::OldRegistryTaken) {
        return Ok(Err(Stop::StaleRegistry));
    }
    let mut missing = Vec::with_capacity(devices.len());
    for device in devices {
        let key = key::inbox(to, device, id);
        // A tombstone is there too: what was acknowledged never comes back.
        if view.get(&key)?.is_none() || planted(Bug::RemovalForgotten) {
            missing.push(key);
        }
    }
    let value = encode(entry);
    if planted(Bug::InboxesLeftEmpty) {
        missing.clear();
    }
    for key in missing {
        view.put(key, value.clone())?;
    }
    Ok(Ok(Effect::Applied))
}
