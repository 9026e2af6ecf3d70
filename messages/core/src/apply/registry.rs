//! The devices of a user.
//!
//! The record is a set that merges by device ([`crate::merge`]). A change joins what a majority knows first, so
//! it goes on from there on each replica.

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
    planted::{Bug, planted},
};

use super::{Applied, Effect, Stop, read, revocation};
use crate::{
    key, merge,
    record::{Registration, Registry, encode},
    view::{Scan, ViewError, ViewMut},
};

/// Most devices of a user. Each message costs one inbox entry per device.
pub const DEVICES: usize = 16;

/// How long a device that has left is remembered, in milliseconds: longer than any replica may be away
/// before it is filled anew.
pub const LEFT: Millis = 7 * 24 * 3_600_000;

/// `last_seen` is kept to the hour: a write for every hello of a flapping connection would cost more
/// than knowing the minute is worth.
const SEEN: Millis = 3_600_000;

/// Makes a device known, or says that it is here. Only a new one changes the registry's version, and only a
/// new one needs a token that is good: the session of another ends by what is revoked.
pub(super) fn register(
    view: &mut impl ViewMut,
    user: &UserId,
    device: &DeviceId,
    known: Option<&Registry>,
    issued: Option<Millis>,
    now: Millis,
) -> Applied {
    let own: Registry = read(view, &key::registry(user))?.unwrap_or_default();
    let mut registry = joined(&own, known);
    let registered = here(view, user, device, &mut registry, known.is_some(), issued, now)?;
    keep(view, user, &own, registry, now)?;
    Ok(registered.map(|created| Effect::Registered { created }))
}

/// Says whether the device is new. Where a majority was asked for departures, they are not looked for.
fn here(
    view: &impl ViewMut,
    user: &UserId,
    device: &DeviceId,
    registry: &mut Registry,
    asked: bool,
    issued: Option<Millis>,
    now: Millis,
) -> Result<Result<bool, Stop>, ViewError> {
    if let Some(known) = registry.devices.get_mut(device) {
        if known.last_seen.saturating_add(SEEN) <= now {
            known.last_seen = now;
        }
        return Ok(Ok(false));
    }
    let Some(issued) = issued else { return Ok(Err(Stop::UnknownDevice)) };
    let revoked = revocation::before(view, user, device)?;
    if let Some(before) = revoked.filter(|before| issued < *before)
        && !planted(Bug::RevokedMadeKnown)
    {
        return Ok(Err(Stop::Revoked(before)));
    }
    if registry.devices.len() >= DEVICES {
        return Ok(Err(Stop::TooManyDevices));
    }
    let departures = Scan::prefix(key::departures(user, device), 1);
    if !asked && !view.scan(&departures)?.rows.is_empty() {
        return Ok(Err(Stop::Departing));
    }
    if let Some(left) = registry.left.get_mut(device) {
        left.changes += 1;
    }
    let registration = Registration { registered_at: now, last_seen: now };
    registry.devices.insert(device.clone(), registration);
    registry.version += 1;
    Ok(Ok(true))
}

/// Takes over what a majority knows.
pub(super) fn learn(
    view: &mut impl ViewMut,
    user: &UserId,
    known: &Registry,
    now: Millis,
) -> Applied {
    let own: Registry = read(view, &key::registry(user))?.unwrap_or_default();
    keep(view, user, &own, joined(&own, Some(known)), now)?;
    Ok(Ok(Effect::Applied))
}

/// What this replica knows, and what a majority does.
pub(super) fn joined(own: &Registry, known: Option<&Registry>) -> Registry {
    match known {
        Some(known) => merge::registry(own.clone(), known.clone()),
        None => own.clone(),
    }
}

/// Writes a registry that has changed.
pub(super) fn keep(
    view: &mut impl ViewMut,
    user: &UserId,
    own: &Registry,
    mut registry: Registry,
    now: Millis,
) -> Result<(), ViewError> {
    if registry != *own {
        registry.left.retain(|_, left| left.at.saturating_add(LEFT) > now);
        view.put(key::registry(user), encode(registry))?;
    }
    Ok(())
}
