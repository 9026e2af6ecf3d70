//! Who has received and read a message, for who sent it.

use chatcluster_protocol::{
    client::{MemberReceipt, Message, Recipient},
    id::{ConversationId, MessageId, UserId},
    planted::{Bug, planted},
};

use super::{Quorum, RepositoryError, groups, query};
use crate::{
    group::Group,
    key,
    record::{Delivered, Told},
    replica::{Replica, ReplicaError},
};

/// Users whose marks are read in one call.
const AT_ONCE: usize = 256;

/// `None` where the user has sent no such message, or has to do with its group no more.
pub(super) async fn of<R: Replica>(
    quorum: &Quorum<R>,
    sender: UserId,
    message: MessageId,
) -> Result<Option<Vec<MemberReceipt>>, RepositoryError> {
    let found = query::message(quorum, message).await?.filter(|found| found.from == sender);
    let Some(Message { to, conversation, .. }) = found else { return Ok(None) };
    let mut readers = match to {
        Recipient::User(to) => vec![to],
        Recipient::Group(group) => match groups::find(quorum, group).await? {
            Some(group) if may_ask(&group, &sender, message) => group.readers(message),
            _ => return Ok(None),
        },
    };
    readers.retain(|reader| *reader != sender);
    let mut receipts = Vec::with_capacity(readers.len());
    for readers in readers.chunks(AT_ONCE) {
        receipts.extend(marks(quorum, readers, conversation, &sender, message).await?);
    }
    Ok(Some(receipts))
}

/// Where clocks differ, what a user writes just after they came may be below the message that added them.
fn may_ask(group: &Group, sender: &UserId, message: MessageId) -> bool {
    group.role(sender).is_some() || group.may_read(sender, message)
}

async fn marks<R: Replica>(
    quorum: &Quorum<R>,
    readers: &[UserId],
    conversation: ConversationId,
    sender: &UserId,
    message: MessageId,
) -> Result<Vec<MemberReceipt>, ReplicaError> {
    let delivered = readers.iter().map(|user| key::delivered(user, conversation, sender));
    let delivered: Vec<Option<Delivered>> = quorum.get(delivered).await?;
    let read = readers.iter().map(|user| key::read_mark(user, conversation));
    let read: Vec<Option<Told>> = quorum.get(read).await?;
    let reaches = |told: Option<Told>| {
        told.is_some_and(|told| told.up_to >= message || planted(Bug::AnyMarkReaches))
    };
    let marks = readers.iter().zip(delivered).zip(read);
    let receipt = |((user, delivered), read): ((&UserId, Option<Delivered>), Option<Told>)| {
        let read = reaches(read);
        let delivered = read || reaches(delivered.and_then(|delivered| delivered.told));
        MemberReceipt { user: user.clone(), delivered, read }
    };
    Ok(marks.map(receipt).collect())
}
