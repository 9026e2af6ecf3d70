//! What users let others see.

use chatcluster_protocol::id::UserId;

use super::{Applied, Effect, read};
use crate::{
    key,
    record::{Privacy, encode},
    view::ViewMut,
};

/// Of two settings the later one counts, in whichever order they come.
pub(super) fn set(view: &mut impl ViewMut, user: &UserId, privacy: Privacy) -> Applied {
    let key = key::privacy(user);
    let known: Option<Privacy> = read(view, &key)?;
    if known.is_none_or(|known| known < privacy) {
        view.put(key, encode(privacy))?;
    }
    Ok(Ok(Effect::Applied))
}
