//! Filling inboxes. Rule 12.

use chatcluster_protocol::{
    id::{DeviceId, MessageId, UserId},
    planted::{Bug, planted},
};

use super::{Applied, Effect, Inboxes, Stop, read};
use crate::{
    key,
    record::{InboxEntry, Registry, encode},
    view::ViewMut,
};

/// What this replica knows of the recipient's devices is not what was read: it has one that was not named
/// (a user's own message leaves out the device that sent it), or one that was named has left.
fn others(registry: &Registry, from: &UserId, to: &UserId, named: &[DeviceId]) -> bool {
    let missing = registry.devices.keys().filter(|device| !named.contains(device)).count();
    let left = |device: &DeviceId| {
        registry.left.contains_key(device) && !registry.devices.contains_key(device)
    };
    missing > usize::from(from == to) || named.iter().any(left)
}

/// Puts a message into inboxes, if the registries are still those that named the devices.
pub(super) fn deliver(
    view: &mut impl ViewMut,
    id: MessageId,
    entry: InboxEntry,
    to: &[Inboxes],
) -> Applied {
    let mut missing = Vec::with_capacity(to.iter().map(|to| to.devices.len()).sum());
    for Inboxes { user, devices, version } in to {
        let registry: Registry = read(view, &key::registry(user))?.unwrap_or_default();
        if (registry.version > *version || others(&registry, &entry.from, user, devices))
            && !planted(Bug::OldRegistryTaken)
        {
            return Ok(Err(Stop::StaleRegistry));
        }
        for device in devices {
            let key = key::inbox(user, device, id);
            // A tombstone is there too: what was acknowledged never comes back.
            if view.get(&key)?.is_none() || planted(Bug::RemovalForgotten) {
                missing.push(key);
            }
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
