//! Who takes part in groups. What may be changed is decided where the group is read; here is that it still is
//! the group that was read.

use chatcluster_protocol::id::GroupId;

use super::{Applied, Effect, read};
use crate::{
    group::{self, Group},
    key::{self, Key},
    record::{Id, encode},
    view::{ViewError, ViewMut},
};

/// The digest of what this replica knows of a group.
pub(super) fn digest(view: &impl ViewMut, group: GroupId) -> Result<[u8; 16], ViewError> {
    Ok(Group::digest(view.get(&key::group(group))?.as_deref()))
}

/// The participations of those who are new.
pub(super) fn entered(
    view: &impl ViewMut,
    group: GroupId,
    next: &Group,
) -> Result<Vec<Key>, ViewError> {
    let mut entered = Vec::new();
    for (user, _) in next.members() {
        let key = key::participation(user, group.into());
        if read::<Id>(view, &key)?.is_none() {
            entered.push(key);
        }
    }
    Ok(entered)
}

pub(super) fn put(
    view: &mut impl ViewMut,
    group: GroupId,
    next: &Group,
    entered: Vec<Key>,
) -> Result<(), ViewError> {
    view.put(key::group(group), encode(next))?;
    for key in entered {
        view.put(key, encode(group::anything()))?;
    }
    Ok(())
}

/// Takes note of what others know.
pub(super) fn learn(view: &mut impl ViewMut, group: GroupId, known: &Group) -> Applied {
    let ours: Option<Group> = read(view, &key::group(group))?;
    let joined = match &ours {
        Some(ours) => ours.clone().joined(known.clone()),
        None => known.clone(),
    };
    let entered = entered(view, group, &joined)?;
    if ours.as_ref() != Some(&joined) {
        put(view, group, &joined, entered)?;
    }
    Ok(Ok(Effect::Applied))
}
