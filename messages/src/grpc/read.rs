//! From gRPC messages to the core's types. What is wrong is an INVALID_ARGUMENT that names the field.

use std::{collections::BTreeSet, fmt::Display};

use chatcluster_messages_api::v1;
use chatcluster_protocol::{
    client::{Body, ContentType, GroupChange, MediaRange, PresenceTo},
    id::{ConversationId, DeviceId, GroupId, Identity, MessageId, Reference, Stamp, UserId},
    limits::{ACK_IDS, HISTORY_DEFAULT, TIME},
};
use messages_core::{
    key::{Bounds, Ids},
    record::{Archived, To},
    repository::{Acknowledge, Append, Direction, InboxCursor, MarkRead},
};
use tonic::Status;

/// Appends, acknowledgements or marks in a call.
const BATCH: usize = 256;

/// Devices in a probe, or seen in one call.
const PROBE: usize = 1000;

/// Users, or pairs of them, in a call that asks who may see whom.
const ASKED: usize = 1000;

type Read<T> = Result<T, Status>;

fn invalid(field: impl Display, what: impl Display) -> Status {
    Status::invalid_argument(format!("{field}: {what}"))
}

pub(super) fn appends(request: v1::AppendRequest) -> Read<Vec<Append>> {
    at_most(request.appends.len(), BATCH, "appends")?;
    let appends = request.appends.into_iter().enumerate();
    appends.map(|(at, one)| append(one, &format!("appends[{at}]"))).collect::<Read<_>>()
}

fn append(append: v1::Append, at: &str) -> Read<Append> {
    let field = |name: &str| format!("{at}.{name}");
    let (from, device) = device(append.sender, &field("sender"))?;
    let reference =
        Reference::new(append.reference).map_err(|error| invalid(field("reference"), error))?;
    let id = message_id(&append.id, field("id"))?;
    // Two copies of one send are told to be one by this (rule 7).
    if id.identity() != Identity::of(&from, &device, &reference) {
        return Err(invalid(
            field("id"),
            "its identity is not that of sender, device and reference",
        ));
    }
    let to = match append.to {
        Some(v1::append::To::User(to)) => To::User(name(&to, format_args!("{at}.to.user"))?),
        Some(v1::append::To::Group(to)) => To::Group(group_id(&to, field("to.group"))?),
        None => return Err(invalid(field("to"), "a message must have a recipient")),
    };
    let content = append.content.ok_or_else(|| invalid(field("content"), "is missing"))?;
    let kind =
        ContentType::new(content.r#type).map_err(|error| invalid(field("content.type"), error))?;
    let body = Body::new(content.body).map_err(|error| invalid(field("content.body"), error))?;
    match (GroupChange::read(&kind, &body), &to) {
        (None, _) | (Some(Ok(_)), To::Group(_)) => {}
        (Some(Ok(_)), To::User(_)) => {
            return Err(invalid(field("to"), "a change of a group goes to a group"));
        }
        (Some(Err(error)), _) => return Err(invalid(field(&error.field), error.text)),
    }
    Ok(Append { id, message: Archived { from, device, reference, to, kind, body } })
}

pub(super) fn device(device: Option<v1::Device>, at: &str) -> Read<(UserId, DeviceId)> {
    let device = device.ok_or_else(|| invalid(at, "is missing"))?;
    let user = name(&device.user, format_args!("{at}.user"))?;
    let device =
        DeviceId::new(device.device).map_err(|error| invalid(format!("{at}.device"), error))?;
    Ok((user, device))
}

pub(super) fn devices(devices: Vec<v1::Device>) -> Read<Vec<(UserId, DeviceId)>> {
    at_most(devices.len(), PROBE, "devices")?;
    let devices = devices.into_iter().enumerate();
    devices.map(|(at, one)| device(Some(one), &format!("devices[{at}]"))).collect()
}

pub(super) fn acknowledgements(request: v1::AcknowledgeRequest) -> Read<Vec<Acknowledge>> {
    let all = request.acknowledgements;
    at_most(all.len(), BATCH, "acknowledgements")?;
    all.into_iter()
        .enumerate()
        .map(|(at, one)| acknowledgement(one, &format!("acknowledgements[{at}]")))
        .collect::<Read<_>>()
}

fn acknowledgement(one: v1::Acknowledgement, at: &str) -> Read<Acknowledge> {
    let (user, device) = device(one.device, &format!("{at}.device"))?;
    let stamp = message_id(&one.stamp, format!("{at}.stamp"))?.stamp();
    let messages = ids(&one.messages, format!("{at}.messages"))?;
    let receipts = ids(&one.receipts, format!("{at}.receipts"))?;
    Ok(Acknowledge { user, device, messages, receipts, stamp })
}

pub(super) fn marks(request: v1::MarkReadRequest) -> Read<Vec<MarkRead>> {
    at_most(request.marks.len(), BATCH, "marks")?;
    let marks = request.marks.into_iter().enumerate();
    marks.map(|(at, one)| mark(one, &format!("marks[{at}]"))).collect()
}

fn mark(one: v1::ReadMark, at: &str) -> Read<MarkRead> {
    let (user, device) = device(one.device, &format!("{at}.device"))?;
    let conversation = conversation_id(&one.conversation, format!("{at}.conversation"))?;
    let up_to = message_id(&one.up_to, format!("{at}.up_to"))?;
    let stamp = message_id(&one.stamp, format!("{at}.stamp"))?.stamp();
    Ok(MarkRead { user, device, conversation, up_to, stamp })
}

/// A checked `PrivacyRequest`.
#[derive(Debug)]
pub(super) struct Privacy {
    pub(super) user: UserId,
    /// What to set, and as of when.
    pub(super) set: Option<(PresenceTo, Stamp)>,
}

pub(super) fn privacy(request: v1::PrivacyRequest) -> Read<Privacy> {
    let user = name(&request.user, "user")?;
    let presence_to = match v1::PresenceTo::try_from(request.presence_to) {
        Ok(v1::PresenceTo::Unspecified) => return Ok(Privacy { user, set: None }),
        Ok(v1::PresenceTo::Nobody) => PresenceTo::Nobody,
        Ok(v1::PresenceTo::Contacts) => PresenceTo::Contacts,
        Ok(v1::PresenceTo::Everybody) => PresenceTo::Everybody,
        Err(error) => return Err(invalid("presence_to", error)),
    };
    let stamp = message_id(&request.stamp, "stamp")?.stamp();
    Ok(Privacy { user, set: Some((presence_to, stamp)) })
}

pub(super) fn users(users: Vec<String>) -> Read<Vec<UserId>> {
    at_most(users.len(), ASKED, "users")?;
    let users = users.into_iter().enumerate();
    users.map(|(at, user)| name(&user, format_args!("users[{at}]"))).collect()
}

/// Who may have written, and to whom.
pub(super) fn contacts(contacts: Vec<v1::Contact>) -> Read<Vec<(UserId, UserId)>> {
    at_most(contacts.len(), ASKED, "contacts")?;
    let contacts = contacts.into_iter().enumerate();
    let pair = |(at, v1::Contact { user, to })| {
        let user = name(&user, format_args!("contacts[{at}].user"))?;
        Ok((user, name(&to, format_args!("contacts[{at}].to"))?))
    };
    contacts.map(pair).collect()
}

/// The name of a user.
fn name(name: &str, at: impl Display) -> Read<UserId> {
    UserId::new(name).map_err(|error| invalid(at, error))
}

fn ids(ids: &[impl AsRef<[u8]>], at: String) -> Read<BTreeSet<MessageId>> {
    at_most(ids.len(), ACK_IDS, &at)?;
    let ids = ids.iter().enumerate();
    ids.map(|(n, id)| message_id(id.as_ref(), format!("{at}[{n}]"))).collect()
}

pub(super) fn inbox_cursor(cursor: &[u8]) -> Read<InboxCursor> {
    let wrong = || invalid("cursor", "must be the `next` of a page, or empty");
    let (tag, id) = cursor.split_first().ok_or_else(wrong)?;
    let id = match id.is_empty() {
        true => None,
        false => Some(message_id(id, "cursor").map_err(|_| wrong())?),
    };
    match (tag, id) {
        (0, Some(id)) => Ok(InboxCursor::Messages(id)),
        (1, id) => Ok(InboxCursor::Receipts(id)),
        _ => Err(wrong()),
    }
}

/// The other way round of [`inbox_cursor`]; empty after the last page.
pub(super) fn write_inbox_cursor(cursor: Option<InboxCursor>) -> Vec<u8> {
    let tagged = |tag, id: Option<MessageId>| {
        let mut bytes = vec![tag];
        bytes.extend(id.into_iter().flat_map(MessageId::to_bytes));
        bytes
    };
    match cursor {
        None | Some(InboxCursor::Start) => Vec::new(),
        Some(InboxCursor::Messages(id)) => tagged(0, Some(id)),
        Some(InboxCursor::Receipts(id)) => tagged(1, id),
    }
}

/// A checked `HistoryRequest`.
#[derive(Debug)]
pub(super) struct History {
    pub(super) user: UserId,
    pub(super) conversation: ConversationId,
    /// It was named by the other user.
    pub(super) of_peer: bool,
    pub(super) ids: Ids,
    pub(super) direction: Direction,
    pub(super) sender: Option<UserId>,
    pub(super) content_type: Option<MediaRange>,
    pub(super) limit: usize,
}

pub(super) fn history(request: v1::HistoryRequest) -> Read<History> {
    let user = name(&request.user, "user")?;
    let (conversation, of_peer) = match &request.of {
        Some(v1::history_request::Of::Conversation(bytes)) => {
            (conversation_id(bytes, "conversation")?, false)
        }
        Some(v1::history_request::Of::Peer(peer)) => {
            let peer = name(peer, "peer")?;
            (ConversationId::between(&user, &peer), true)
        }
        None => return Err(invalid("conversation", "name either a conversation or a peer")),
    };
    let bound = |bytes: &[u8], name: &'static str| match bytes.is_empty() {
        true => Ok(None),
        false => message_id(bytes, name).map(Some),
    };
    let time = |at: Option<u64>, name: &'static str| match at {
        Some(at) if at > TIME => Err(invalid(name, format!("must be at most {TIME}"))),
        at => Ok(at),
    };
    let bounds = Bounds {
        before: bound(&request.before, "before")?,
        after: bound(&request.after, "after")?,
        since: time(request.since, "since")?,
        until: time(request.until, "until")?,
    };
    let forward = bounds.after.is_some();
    let sender = match request.sender.is_empty() {
        true => None,
        false => Some(name(&request.sender, "sender")?),
    };
    let content_type = match request.content_type.is_empty() {
        true => None,
        false => Some(
            MediaRange::new(request.content_type)
                .map_err(|error| invalid("content_type", error))?,
        ),
    };
    Ok(History {
        user,
        conversation,
        of_peer,
        ids: bounds.into(),
        direction: if forward { Direction::Forward } else { Direction::Backward },
        sender,
        content_type,
        limit: limit(request.limit, HISTORY_DEFAULT as usize, 1000)?,
    })
}

pub(super) fn limit(asked: u32, default: usize, most: usize) -> Read<usize> {
    match asked as usize {
        0 => Ok(default),
        asked if asked <= most => Ok(asked),
        _ => Err(invalid("limit", format!("must be at most {most}"))),
    }
}

pub(super) fn group(request: &v1::ReadGroupRequest) -> Read<(UserId, GroupId)> {
    let user = name(&request.user, "user")?;
    Ok((user, group_id(&request.group, "group")?))
}

pub(super) fn receipts(request: &v1::ReadReceiptsRequest) -> Read<(UserId, MessageId)> {
    let user = name(&request.user, "user")?;
    Ok((user, message_id(&request.message, "message")?))
}

fn group_id(bytes: &[u8], at: impl Display) -> Read<GroupId> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| invalid(&at, "must be 16 bytes"))?;
    GroupId::from_bytes(bytes).map_err(|error| invalid(at, error))
}

fn conversation_id(bytes: &[u8], at: impl Display) -> Read<ConversationId> {
    let bytes = bytes.try_into().map_err(|_| invalid(at, "must be 16 bytes"))?;
    Ok(ConversationId::from_bytes(bytes))
}

fn message_id(bytes: &[u8], at: impl Display) -> Read<MessageId> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| invalid(&at, "must be 16 bytes"))?;
    MessageId::from_bytes(bytes).map_err(|error| invalid(at, error))
}

fn at_most(count: usize, most: usize, at: &str) -> Read<()> {
    if count <= most { Ok(()) } else { Err(invalid(at, format!("must be at most {most}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_cursor_comes_back_and_nothing_else_is_one() {
        let id = MessageId::floor(7);
        for cursor in [
            InboxCursor::Messages(id),
            InboxCursor::Receipts(Some(id)),
            InboxCursor::Receipts(None),
        ] {
            assert_eq!(inbox_cursor(&write_inbox_cursor(Some(cursor))).unwrap(), cursor);
        }
        for wrong in [&[0][..], &[2], &[1, 2, 3], &[0; 17]] {
            let status = inbox_cursor(wrong).unwrap_err();
            assert!(status.message().starts_with("cursor: "), "{status}");
        }
    }
}
