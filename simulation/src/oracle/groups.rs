//! Groups: whoever certainly takes part gets what is said, whoever certainly does not gets nothing of it, and
//! only who may change a group does.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    client::{Content, GroupChange, Recipient},
    id::{Reference, UserId},
};

use super::Oracle;
use crate::{clock::Time, coverage::hit, world::World};

/// What is certain of a group, of which one user makes one change after the other.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// They take part.
    members: BTreeSet<UserId>,
    /// They may have come or gone: the change has been written, and has no answer.
    open: BTreeSet<UserId>,
    /// Since when they certainly take no part any more.
    gone: BTreeMap<UserId, Time>,
    /// It has been made.
    made: bool,
}

impl Group {
    pub(super) fn certainly_has(&self, user: &UserId) -> bool {
        self.members.contains(user) && !self.open.contains(user)
    }

    /// Whether a user may get what was written at this time.
    pub(super) fn may_have_had(&self, user: &UserId, at: Time) -> bool {
        let here = self.members.contains(user) || self.open.contains(user);
        here || self.gone.get(user).is_some_and(|gone| at <= *gone)
    }
}

/// Whom a change is about.
fn about(change: &GroupChange) -> Vec<UserId> {
    match change {
        GroupChange::Create(creation) => creation.members.clone(),
        GroupChange::Add(users) | GroupChange::Remove(users) => users.clone(),
        _ => Vec::new(),
    }
}

impl Oracle {
    pub(crate) fn takes_part(&self, user: &UserId) -> bool {
        self.group.certainly_has(user)
    }

    /// Whether a user may have left the group, though they may be back.
    pub(crate) fn may_have_left(&self, user: &UserId) -> bool {
        self.group.open.contains(user) || self.group.gone.contains_key(user)
    }

    pub(crate) fn group_is_certain(&self) -> bool {
        self.group.made && self.group.open.is_empty()
    }

    /// The owner writes a change. Those whom it removes are owed nothing of what is not known to be stored.
    pub(crate) fn changes(&mut self, change: &GroupChange) {
        let users = about(change);
        if let GroupChange::Remove(_) = change {
            let pending = self.messages.iter_mut().filter(|one| one.stored.is_none());
            for message in pending.filter(|one| one.to.is_group()) {
                message.owed.retain(|device| !users.contains(&device.user));
            }
        }
        if let GroupChange::Create(_) = change {
            self.group.open.insert(crate::client::user_id(0));
        }
        self.group.open.extend(users);
    }
}

impl World {
    /// A change is stored.
    pub(super) fn changed(&mut self, number: usize, content: &Content) {
        let Some(Ok(change)) = GroupChange::of(content) else { return };
        if let GroupChange::Rename(_) = change {
            let from = self.oracle.messages[number].from.clone();
            return self.violated("groups", format!("{from:?} has renamed a group of others"));
        }
        let by = self.oracle.messages[number].from.user.clone();
        let (now, group) = (self.now, &mut self.oracle.group);
        group.made = true;
        let owner = matches!(change, GroupChange::Create(_)).then_some(by);
        for user in about(&change).into_iter().chain(owner) {
            group.open.remove(&user);
            if let GroupChange::Remove(_) = change {
                hit("group: removed");
                group.members.remove(&user);
                group.gone.insert(user, now);
            } else {
                hit("group: added");
                group.members.insert(user);
            }
        }
    }

    /// Whether a message to the group may be refused: one that changes what its writer may not change, or whose
    /// writer may have been removed since.
    pub(super) fn may_be_forbidden(&self, device: usize, reference: &Reference) -> bool {
        let number = self.oracle.by_reference.get(&(device, reference.clone()));
        let Some(message) = number.and_then(|number| self.oracle.messages.get(*number)) else {
            return false;
        };
        let Recipient::Group(_) = message.to else { return false };
        let renames = message.change.as_ref().is_some_and(|change| {
            matches!(GroupChange::of(change), Some(Ok(GroupChange::Rename(_))))
        });
        let gone = self.oracle.group.gone.get(&message.from.user);
        renames
            || gone.is_some_and(|gone| *gone >= message.at)
            || !self.oracle.takes_part(&message.from.user)
    }
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::{DeviceId, GroupId, MessageId, Stamp};
    use gateway_core::Device;

    use super::*;
    use crate::{client::user_id, oracle::Writing};

    /// One replica had the message when a member read and acknowledged it, another one takes it later.
    #[test]
    fn what_is_said_while_a_member_is_removed_may_wait_in_their_inbox() {
        let device = |user| Device { user: user_id(user), device: DeviceId::new("d0").unwrap() };
        let (owner, member) = (device(0), device(1));
        for removed in [false, true] {
            let mut oracle = Oracle::new([&owner, &member].into_iter(), 3);
            oracle.registered(0, &member);
            oracle.group.members.insert(member.user.clone());
            if removed {
                oracle.changes(&GroupChange::Remove(vec![member.user.clone()]));
            }
            let reference = Reference::new("r").unwrap();
            let to = Recipient::Group(GroupId::from_random([8; 16]));
            let writing = Writing { by: 0, from: &owner, reference: &reference, to: &to };
            let number = oracle.written(1, writing, None, None);
            let id = MessageId::new(Stamp::new(1, 0), oracle.identity(number));
            oracle.messages[number].id = Some(id);
            assert!(!oracle.is_to_have_left(1, &member, id));
            oracle.acknowledged(1, &BTreeSet::from([id]));
            assert_eq!(oracle.is_to_have_left(1, &member, id), !removed);
        }
    }
}
