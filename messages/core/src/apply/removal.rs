//! How a device leaves: at once from the registry, so that nothing is stored for it any more, then bit by bit
//! from all other tables. A departure stays until nothing is left; as long as it is there the device cannot
//! come back, so what is cleared is never what a new device of this name is owed.

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};

use super::{
    Applied, Effect, Stop, read,
    registry::{joined, keep},
};
use crate::{
    key::{self, Key, Table},
    record::{Delivered, Departure, Left, Registry, encode},
    view::ViewMut,
};

/// Takes a device out of the registry.
pub(super) fn unregister(
    view: &mut impl ViewMut,
    user: &UserId,
    device: &DeviceId,
    known: Option<&Registry>,
    unseen_since: Option<Millis>,
    now: Millis,
) -> Applied {
    let own: Registry = read(view, &key::registry(user))?.unwrap_or_default();
    // It has left and come back since a majority was asked: whoever is here now, nobody wanted to leave.
    let since = |known: &Registry| known.changes(device) < own.changes(device);
    if own.devices.contains_key(device) && known.is_some_and(since) {
        return Ok(Err(Stop::InUse));
    }
    let mut registry = joined(&own, known);
    let seen = registry.devices.get(device).map(|known| known.last_seen);
    if unseen_since.is_some_and(|since| seen.is_some_and(|seen| seen >= since)) {
        return Ok(Err(Stop::InUse));
    }
    let changes = registry.changes(device) + 1;
    if registry.devices.remove(device).is_some() {
        registry.left.insert(device.clone(), Left { changes, at: now });
        registry.version += 1;
        let departure = key::departure(user, device, registry.version);
        view.put(departure, encode(Departure { at: now }))?;
    } else if let Some(left) = registry.left.get_mut(device) {
        // Whoever clears its inbox asks for this: it is not forgotten before.
        left.at = now;
    }
    keep(view, user, &own, registry, now)?;
    Ok(Ok(Effect::Applied))
}

/// Removes what these keys hold of a device.
pub(super) fn clear(
    view: &mut impl ViewMut,
    user: &UserId,
    device: &DeviceId,
    keys: &[Key],
    now: Millis,
) -> Applied {
    let registry: Registry = read(view, &key::registry(user))?.unwrap_or_default();
    let departures = |key: &Key| Table::of(key) == Some(Table::Departure);
    if registry.devices.contains_key(device) && !keys.iter().all(departures) {
        return Ok(Err(Stop::InUse));
    }
    let mut received = Vec::new();
    for key in keys.iter().filter(|key| Table::of(key) == Some(Table::Delivered)) {
        let Some(mut delivered) = read::<Delivered>(view, key)? else { continue };
        if delivered.acknowledged.remove(device).is_some() {
            received.push((key.clone(), delivered));
        }
    }
    for (key, delivered) in received {
        view.put(key, encode(delivered))?;
    }
    for key in keys.iter().filter(|key| Table::of(key) != Some(Table::Delivered)) {
        view.remove(key, now)?;
    }
    Ok(Ok(Effect::Applied))
}
