//! Tokens that are not accepted any more. What a session's opening asks for is one record; gateways, which
//! have sessions open, read the feed.

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};

use super::{Applied, Effect, read};
use crate::{
    key,
    record::{Revoked, encode},
    view::{ViewError, ViewMut},
};

pub(super) fn revoke(
    view: &mut impl ViewMut,
    user: &UserId,
    device: Option<&DeviceId>,
    before: Millis,
    now: Millis,
) -> Applied {
    let key = key::revocation(user, device);
    let revoked = Revoked { before };
    let latest = read::<Revoked>(view, &key)?.unwrap_or(revoked).max(revoked);
    view.put(key, encode(latest))?;
    // Gateways have read what is older: who ends a removal late revokes what was issued before it.
    view.put(key::revocation_at(before.max(now), user, device), encode(latest))?;
    Ok(Ok(Effect::Applied))
}

/// Since when tokens of a device are accepted; `None` where nothing was revoked.
pub(super) fn before(
    view: &impl ViewMut,
    user: &UserId,
    device: &DeviceId,
) -> Result<Option<Millis>, ViewError> {
    let of_user = read::<Revoked>(view, &key::revocation(user, None))?;
    let of_device = read::<Revoked>(view, &key::revocation(user, Some(device)))?;
    Ok(of_user.max(of_device).map(|revoked| revoked.before))
}
