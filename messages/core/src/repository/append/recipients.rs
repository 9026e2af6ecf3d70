//! Whose inboxes a message is for: the devices of two users, or of everybody in a group, but never the device
//! that sent it.

use std::collections::{BTreeSet, HashMap};

use chatcluster_protocol::{
    client::GroupChange,
    id::{ConversationId, DeviceId, GroupId, MessageId, UserId},
};

use super::super::{Quorum, Refused, RepositoryError};
use crate::{
    apply::{Basis, Batch, Inboxes, Part},
    group::{Decision, Group, GroupRefusal},
    key,
    merge::Page,
    record::{self, Archived, InboxEntry, ReferenceRecord, Registry},
    replica::{Replica, ReplicaError},
    view::Scan,
};

/// What the messages of a round do to their groups, one after the other.
pub(super) struct Groups(HashMap<GroupId, Known>);

struct Known {
    digest: [u8; 16],
    group: Option<Group>,
}

/// Where a message goes.
pub(super) struct Destination {
    pub(super) group: Option<Basis>,
    pub(super) users: Vec<UserId>,
}

impl Groups {
    /// Reads the groups that these messages go to.
    pub(super) async fn read<R: Replica>(
        quorum: &Quorum<R>,
        messages: impl Iterator<Item = &Archived>,
    ) -> Result<Self, ReplicaError> {
        let groups: BTreeSet<GroupId> = messages.filter_map(Archived::group).collect();
        let scans = groups.iter().map(|group| Scan::one(key::group(*group))).collect();
        let pages = quorum.read(scans).await?;
        let known = |page: &Page| -> Result<Known, ReplicaError> {
            let stored = page.rows.first().map(|(_, value)| &value[..]);
            Ok(Known { digest: Group::digest(stored), group: page.first()? })
        };
        let known = groups.into_iter().zip(&pages).map(|(id, page)| Ok((id, known(page)?)));
        Ok(Self(known.collect::<Result<_, ReplicaError>>()?))
    }

    /// Whom a message is for. What comes later finds the group as this one leaves it.
    pub(super) fn destination(
        &mut self,
        id: MessageId,
        message: &Archived,
    ) -> Result<Destination, GroupRefusal> {
        let Some(known) = message.group().and_then(|group| self.0.get_mut(&group)) else {
            return Ok(Destination { group: None, users: message.pair().cloned().collect() });
        };
        let change = match GroupChange::read(&message.kind, &message.body) {
            None => None,
            Some(Ok(change)) => Some(change),
            // Gateways take none that cannot be read.
            Some(Err(_)) => return Err(GroupRefusal::Unreadable),
        };
        let Decision { next, recipients } =
            Group::decide(known.group.as_ref(), id, &message.from, change.as_ref())?;
        let digest = known.digest;
        if let Some(next) = &next {
            known.digest = Group::digest(Some(&record::encode(next)));
            known.group = Some(next.clone());
        }
        let basis = Basis { digest, next: next.map(Box::new) };
        Ok(Destination { group: Some(basis), users: recipients })
    }

    /// Whom a message is for that was allowed once, and is pending since.
    pub(super) fn destination_of_pending(&self, id: MessageId, message: &Archived) -> Destination {
        let known = message.group().and_then(|group| self.0.get(&group));
        let users = known.and_then(|known| known.group.as_ref()).map(|group| group.recipients(id));
        let group = known.map(|known| Basis { digest: known.digest, next: None });
        Destination { group, users: users.unwrap_or_default() }
    }

    /// In whose inboxes a message may be that is stored, and whose sender may not store it any more: those of
    /// all who take part, of those who have left since, and of its sender, who has other devices.
    pub(super) fn users_of_stored(&self, id: MessageId, message: &Archived) -> Vec<UserId> {
        let known = message.group().and_then(|group| self.0.get(&group));
        let mut users = BTreeSet::from([message.from.clone()]);
        if let Some(group) = known.and_then(|known| known.group.as_ref()) {
            users.extend(group.recipients(id));
            users.extend(group.readers(id));
        }
        users.into_iter().collect()
    }
}

/// Tells every replica what a majority knows of these groups.
pub(super) async fn tell_groups<R: Replica>(
    quorum: &Quorum<R>,
    groups: BTreeSet<GroupId>,
) -> Result<(), RepositoryError> {
    if quorum.is_one() || groups.is_empty() {
        return Ok(());
    }
    let known = quorum.get::<Group>(groups.iter().map(|id| key::group(*id)).collect::<Vec<_>>());
    let learn = |(group, known): (GroupId, Option<Group>)| {
        Some(Batch::of(Part::LearnGroup { group, known: known? }))
    };
    let batches: Vec<_> = groups.into_iter().zip(known.await?).filter_map(learn).collect();
    if !batches.is_empty() {
        quorum.write(batches).await?;
    }
    Ok(())
}

/// How far a message got before, where it did.
pub(super) async fn before<R: Replica>(
    quorum: &Quorum<R>,
    message: &Archived,
) -> Result<Option<ReferenceRecord>, ReplicaError> {
    let key = key::reference(&message.from, &message.device, &message.reference);
    let found = quorum.get::<ReferenceRecord>([key]).await?.into_iter().flatten().next();
    Ok(found.filter(|record| record.hash == message.hash()))
}

/// The devices of these users that are still owed a message.
pub(super) async fn still_owed<R: Replica>(
    quorum: &Quorum<R>,
    id: MessageId,
    devices: Vec<(UserId, DeviceId)>,
) -> Result<Vec<(UserId, DeviceId)>, ReplicaError> {
    let keys: Vec<_> = devices.iter().map(|(user, one)| key::inbox(user, one, id)).collect();
    let entries = quorum.get::<InboxEntry>(keys).await?;
    let owed = devices.into_iter().zip(entries);
    Ok(owed.filter_map(|(device, entry)| entry.map(|_| device)).collect())
}

/// The devices of users, as they were read.
pub(super) struct Registries(HashMap<UserId, Registry>);

impl Registries {
    pub(super) async fn read<R: Replica>(
        quorum: &Quorum<R>,
        users: impl Iterator<Item = &UserId>,
    ) -> Result<Self, ReplicaError> {
        let users: BTreeSet<&UserId> = users.collect();
        let keys: Vec<_> = users.iter().map(|user| key::registry(user)).collect();
        let read = quorum.get(keys).await?.into_iter().map(Option::unwrap_or_default);
        Ok(Self(users.into_iter().cloned().zip(read).collect()))
    }

    /// The inboxes of a user that a message is for. Also where there is no device: one may come in between.
    pub(super) fn inboxes(&self, message: &Archived, user: &UserId) -> Inboxes {
        let version = self.0.get(user).map_or(0, |registry| registry.version);
        Inboxes { user: user.clone(), devices: self.of(message, user), version }
    }

    /// Whose inboxes get it.
    pub(super) fn devices(&self, message: &Archived, users: &[UserId]) -> Vec<(UserId, DeviceId)> {
        let of = |user: &UserId| {
            let user = user.clone();
            self.of(message, &user).into_iter().map(move |device| (user.clone(), device))
        };
        users.iter().flat_map(of).collect()
    }

    fn of(&self, message: &Archived, user: &UserId) -> Vec<DeviceId> {
        let Some(registry) = self.0.get(user) else { return Vec::new() };
        let sent = |device: &DeviceId| *user == message.from && *device == message.device;
        registry.devices.keys().filter(|device| !sent(device)).cloned().collect()
    }
}

impl From<GroupRefusal> for Refused {
    fn from(refusal: GroupRefusal) -> Self {
        match refusal {
            GroupRefusal::Full => Self::GroupFull,
            other => Self::Forbidden(other.to_string()),
        }
    }
}

/// One batch per device and conversation.
pub(super) fn lane(message: &Archived) -> (UserId, DeviceId, ConversationId) {
    (message.from.clone(), message.device.clone(), message.conversation())
}
