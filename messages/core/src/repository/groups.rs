//! Reading groups, and what their members may read.

use chatcluster_protocol::id::{ConversationId, GroupId, MessageId, UserId};

use super::{Quorum, RepositoryError};
use crate::{
    group::Group,
    key::{self, Ids},
    record::Id,
    replica::{Replica, ReplicaError},
};

pub(super) async fn of<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    group: GroupId,
) -> Result<Option<Group>, RepositoryError> {
    Ok(find(quorum, group).await?.filter(|group| group.role(&user).is_some()))
}

pub(super) async fn find<R: Replica>(
    quorum: &Quorum<R>,
    group: GroupId,
) -> Result<Option<Group>, ReplicaError> {
    Ok(quorum.get([key::group(group)]).await?.into_iter().flatten().next())
}

pub(super) async fn readable<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    conversation: ConversationId,
) -> Result<Option<Ids>, RepositoryError> {
    if let Some(group) = conversation.group() {
        return Ok(find(quorum, group).await?.and_then(|group| group.readable(&user)));
    }
    let found = quorum.get::<Id>([key::participation(&user, conversation)]).await?;
    Ok(found.iter().any(Option::is_some).then_some(Ids::ALL))
}

/// A user's conversations, each with the highest id in it, and with what the user may read of it.
pub(super) async fn readable_of<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    conversations: Vec<(ConversationId, MessageId)>,
) -> Result<Vec<((ConversationId, MessageId), Ids)>, ReplicaError> {
    let groups = conversations.iter().filter_map(|(conversation, _)| conversation.group());
    let keys: Vec<_> = groups.map(key::group).collect();
    let mut groups = quorum.get::<Group>(keys).await?.into_iter();
    let readable = |conversation: ConversationId| match conversation.group() {
        Some(_) => groups.next().flatten().and_then(|group| group.readable(user)),
        None => Some(Ids::ALL),
    };
    let ids: Vec<_> = conversations.iter().map(|(one, _)| *one).map(readable).collect();
    let all = conversations.into_iter().zip(ids);
    Ok(all.filter_map(|(conversation, ids)| Some((conversation, ids?))).collect())
}
