//! The devices of a user.

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};

use super::{Applied, Effect, Stop, read};
use crate::{
    key,
    record::{Registration, Registry, encode},
    view::ViewMut,
};

/// Most devices of a user. Each message costs one inbox entry per device.
pub const DEVICES: usize = 16;

/// `last_seen` is kept to the hour: a write for every hello of a flapping connection would cost more
/// than knowing the minute is worth.
const SEEN: Millis = 3_600_000;

/// Makes a device known. Only a new one changes the registry's version.
pub(super) fn register(
    view: &mut impl ViewMut,
    user: &UserId,
    device: &DeviceId,
    now: Millis,
) -> Applied {
    let key = key::registry(user);
    let mut registry: Registry = read(view, &key)?.unwrap_or_default();
    let full = registry.devices.len() >= DEVICES;
    let created = match registry.devices.get_mut(device) {
        Some(known) if known.last_seen.saturating_add(SEEN) > now => {
            return Ok(Ok(Effect::Registered { created: false }));
        }
        Some(known) => {
            known.last_seen = now;
            false
        }
        None if full => return Ok(Err(Stop::TooManyDevices)),
        None => {
            let registration = Registration { registered_at: now, last_seen: now };
            registry.devices.insert(device.clone(), registration);
            registry.version += 1;
            true
        }
    };
    view.put(key, encode(registry))?;
    Ok(Ok(Effect::Registered { created }))
}
