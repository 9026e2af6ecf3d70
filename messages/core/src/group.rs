//! Who takes part in a group, and who may change that. Pure: a change and a group give a group.
//!
//! A change is a message. Whoever stores it reads the group from a majority, decides here, and writes message
//! and group in one step on replicas that know the very group that was read (rule 12, for groups).

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    client::{GroupChange, GroupCreation, GroupName, Role, RoleGiven},
    id::{MessageId, UserId},
    limits::{GROUP_MEMBERS, TIME},
    planted::{Bug, planted},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{key::Ids, record::Id};

/// Changes that a group remembers to have seen. A change that is repeated after this many others, all of
/// them while it was still pending, would be carried out again.
const REMEMBERED: usize = 64;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How often it was named, and the name.
    name: (u64, GroupName),
    /// Everybody who takes part, or has.
    members: BTreeMap<UserId, Member>,
    /// The latest changes: a repetition of one of them changes nothing more.
    changes: BTreeSet<Id>,
}

/// Somebody who takes part, or has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Member {
    /// Rises with every change: of two replicas the one that knows of the later one is right.
    changes: u64,
    /// The last change.
    at: Id,
    /// `None` where they take part no more.
    role: Option<GivenRole>,
    /// From this message on they have seen everything,
    since: Id,
    /// up to this one.
    until: Option<Id>,
}

/// [`Role`], as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum GivenRole {
    Member,
    Admin,
    Owner,
}

/// Why a message to a group is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupRefusal {
    /// Those who take no part cannot tell one from the other.
    #[error("there is no such group, or the user takes no part in it")]
    NoPart,
    /// A group of this id exists.
    #[error("there is such a group already; make up another id")]
    Exists,
    /// The user's role does not allow it.
    #[error("{0}")]
    Role(&'static str),
    /// The change is none.
    #[error("content.body is no change of a group")]
    Unreadable,
    /// Too many members.
    #[error("a group has at most {GROUP_MEMBERS} members")]
    Full,
}

/// What a message to a group comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The group afterwards, where the message changes it.
    pub next: Option<Group>,
    /// Whose devices get the message.
    pub recipients: Vec<UserId>,
}

impl Group {
    /// What becomes of a message of `from` to this group, and whom it is for.
    ///
    /// # Errors
    /// When the user may not do this.
    pub fn decide(
        group: Option<&Self>,
        id: MessageId,
        from: &UserId,
        change: Option<&GroupChange>,
    ) -> Result<Decision, GroupRefusal> {
        let seen = group.is_some_and(|group| group.has_seen(id));
        let next = match (change, group) {
            (Some(_), Some(_)) if seen => None,
            (Some(GroupChange::Create(creation)), None) => Some(Self::create(id, from, creation)),
            (Some(GroupChange::Create(_)), Some(_)) => return Err(GroupRefusal::Exists),
            (_, None) => return Err(GroupRefusal::NoPart),
            (Some(change), Some(group)) => Some(group.changed(id, from, change)?),
            (None, Some(group)) => {
                group.role(from).ok_or(GroupRefusal::NoPart)?;
                None
            }
        };
        let recipients = next.as_ref().or(group).map(|group| group.recipients(id));
        Ok(Decision { next, recipients: recipients.unwrap_or_default() })
    }

    fn create(id: MessageId, from: &UserId, creation: &GroupCreation) -> Self {
        let mut group = Self {
            name: (1, creation.name.clone()),
            members: BTreeMap::new(),
            changes: BTreeSet::from([Id(id)]),
        };
        for user in &creation.members {
            group.enter(id, user, GivenRole::Member);
        }
        group.enter(id, from, GivenRole::Owner);
        group
    }

    fn changed(
        &self,
        id: MessageId,
        from: &UserId,
        change: &GroupChange,
    ) -> Result<Self, GroupRefusal> {
        let role = self.role(from).ok_or(GroupRefusal::NoPart)?;
        let needs = |least: Role, text| {
            if role >= least || planted(Bug::AnyMemberChanges) {
                Ok(())
            } else {
                Err(GroupRefusal::Role(text))
            }
        };
        let mut next = self.clone();
        match change {
            GroupChange::Create(_) => return Err(GroupRefusal::Exists),
            GroupChange::Add(users) => {
                needs(Role::Admin, "only the owner and admins add users")?;
                let new: Vec<_> = users.iter().filter(|user| self.role(user).is_none()).collect();
                if self.members().count() + new.len() > GROUP_MEMBERS {
                    return Err(GroupRefusal::Full);
                }
                new.into_iter().for_each(|user| next.enter(id, user, GivenRole::Member));
            }
            GroupChange::Remove(users) => {
                needs(Role::Admin, "only the owner and admins remove users")?;
                for user in users {
                    let Some(theirs) = self.role(user) else { continue };
                    if user == from {
                        return Err(GroupRefusal::Role("nobody removes themself; `leave` does"));
                    }
                    if theirs >= role && !planted(Bug::AnyMemberChanges) {
                        let text = "the owner removes admins, and nobody the owner";
                        return Err(GroupRefusal::Role(text));
                    }
                    next.exit(id, user);
                }
            }
            GroupChange::Leave(_) => {
                next.exit(id, from);
                if role == Role::Owner
                    && let Some(heir) = next.heir()
                {
                    next.give(id, &heir, GivenRole::Owner);
                }
            }
            GroupChange::Rename(name) => {
                needs(Role::Admin, "only the owner and admins rename the group")?;
                next.name = (self.name.0 + 1, name.clone());
            }
            GroupChange::Role(RoleGiven { user, role: given }) => {
                needs(Role::Owner, "only the owner gives roles")?;
                if user == from {
                    let text = "the owner stays owner until another one is given the role";
                    return Err(GroupRefusal::Role(text));
                }
                if self.role(user).is_none() {
                    return Err(GroupRefusal::Role("a user who takes no part has no role"));
                }
                next.give(id, user, (*given).into());
                if *given == Role::Owner {
                    next.give(id, from, GivenRole::Admin);
                }
            }
        }
        next.changes.insert(Id(id));
        next.forget();
        Ok(next)
    }

    /// Takes note of what another replica knows.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.name = self.name.max(other.name);
        for (user, theirs) in other.members {
            let ours = self.members.entry(user).or_insert(theirs);
            *ours = theirs.max(*ours);
        }
        self.changes.extend(other.changes);
        self.forget();
        self
    }

    /// What tells two states of a group apart: of the record as it is stored.
    pub fn digest(stored: Option<&[u8]>) -> [u8; 16] {
        let mut short = [0; 16];
        if let Some(stored) = stored {
            short.copy_from_slice(&Sha256::digest(stored)[..16]);
        }
        short
    }

    /// About how many bytes it takes to hold it.
    pub(crate) fn size(&self) -> usize {
        /// A name and the rest.
        const MEMBER: usize = 160;
        self.members.len() * MEMBER
    }

    /// Its name.
    pub fn name(&self) -> &GroupName {
        &self.name.1
    }

    /// Who takes part, and as what.
    pub fn members(&self) -> impl Iterator<Item = (&UserId, Role)> {
        self.members.iter().filter_map(|(user, member)| Some((user, member.role?.into())))
    }

    /// What a user may do here; `None` where they take no part.
    pub fn role(&self, user: &UserId) -> Option<Role> {
        self.members.get(user)?.role.map(Role::from)
    }

    /// What of the conversation a user may read: from the message that added them last to the one that
    /// removed them.
    pub fn readable(&self, user: &UserId) -> Option<Ids> {
        let member = self.members.get(user)?;
        let ids = Ids::ALL.at_least(member.since.0);
        Some(member.until.map_or(ids, |Id(until)| ids.at_most(until)))
    }

    /// Whether a user may read this message.
    pub(crate) fn may_read(&self, user: &UserId, id: MessageId) -> bool {
        self.readable(user).is_some_and(|ids| ids.contains(id))
    }

    /// Everybody who may read this message, those who have left since among them; by name.
    pub(crate) fn readers(&self, id: MessageId) -> Vec<UserId> {
        self.members.keys().filter(|user| self.may_read(user, id)).cloned().collect()
    }

    /// Everybody who takes part, and whom this message removed: it is their last one.
    pub(crate) fn recipients(&self, id: MessageId) -> Vec<UserId> {
        let gets = |member: &Member| {
            member.role.is_some()
                || member.until.is_some_and(|Id(until)| until.identity() == id.identity())
        };
        self.members.iter().filter(|(_, one)| gets(one)).map(|(user, _)| user.clone()).collect()
    }

    /// This change, or the same one under the id that it was pending under before.
    fn has_seen(&self, id: MessageId) -> bool {
        self.changes.iter().any(|Id(seen)| seen.identity() == id.identity())
    }

    fn enter(&mut self, id: MessageId, user: &UserId, role: GivenRole) {
        let changes = self.members.get(user).map_or(0, |member| member.changes) + 1;
        let id = Id(id);
        let member = Member { changes, at: id, role: Some(role), since: id, until: None };
        self.members.insert(user.clone(), member);
    }

    fn exit(&mut self, id: MessageId, user: &UserId) {
        if let Some(member) = self.members.get_mut(user) {
            member.changes += 1;
            (member.at, member.role, member.until) = (Id(id), None, Some(Id(id)));
        }
    }

    fn give(&mut self, id: MessageId, user: &UserId, role: GivenRole) {
        if let Some(member) = self.members.get_mut(user) {
            member.changes += 1;
            (member.at, member.role) = (Id(id), Some(role));
        }
    }

    /// Who is the owner once the owner has left.
    fn heir(&self) -> Option<UserId> {
        let here = self.members.iter().filter_map(|(user, member)| {
            let rank = (member.role?, std::cmp::Reverse((member.since, user)));
            Some((rank, user))
        });
        here.max_by_key(|(rank, _)| *rank).map(|(_, user)| user.clone())
    }

    fn forget(&mut self) {
        while self.changes.len() > REMEMBERED {
            self.changes.pop_first();
        }
    }
}

impl From<GivenRole> for Role {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Member => Self::Member,
            GivenRole::Admin => Self::Admin,
            GivenRole::Owner => Self::Owner,
        }
    }
}

impl From<Role> for GivenRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

/// A user's part in a conversation names the highest message in it; where that is a group, this: it is
/// written when they come, and not with every message.
pub(crate) fn anything() -> Id {
    Id(MessageId::floor(TIME))
}

#[cfg(test)]
mod tests;
