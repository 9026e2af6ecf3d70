//! Between the words of the core and those of the gRPC interface. What the service answers is checked
//! here: anything that it should not say makes the call a failed one.

use bytes::Bytes;
use chatcluster_messages_api::v1;
use chatcluster_protocol::{
    client::{
        Body, Content, ContentType, GroupMember, GroupName, GroupRequest, GroupState, History,
        HistoryPage, MemberReceipt, Message, PresenceTo, Receipt, ReceiptKind, Receipts,
        ReceiptsRequest, Recipient, Role,
    },
    id::{ConversationId, DeviceId, GroupId, MessageId, UserId},
};
use gateway_core::{
    Device, Push, Revocation,
    revocations::Page,
    session::{Append, AppendResult, InboxPage, MarkFailure},
};

/// The service said something that it should not. Names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message service sent an invalid {0}")]
pub(super) struct Invalid(&'static str);

pub(super) fn bytes(id: MessageId) -> Bytes {
    Bytes::copy_from_slice(&id.to_bytes())
}

pub(super) fn device(device: &Device) -> v1::Device {
    v1::Device { user: device.user.as_str().into(), device: device.device.as_str().into() }
}

pub(super) fn append(append: &Append) -> v1::Append {
    let to = match &append.send.to {
        Recipient::User(user) => v1::append::To::User(user.as_str().into()),
        Recipient::Group(group) => v1::append::To::Group(group.to_bytes().to_vec().into()),
    };
    v1::Append {
        id: bytes(append.id),
        sender: Some(device(&append.send.sender)),
        reference: append.send.reference.as_str().into(),
        to: Some(to),
        content: Some(v1::Content {
            r#type: append.send.content.kind.as_str().into(),
            body: append.send.content.body.as_str().into(),
        }),
    }
}

pub(super) fn revocations(page: v1::RevocationsResponse) -> Result<Page, Invalid> {
    let one = |one: v1::Revocation| {
        let device = Some(one.device).filter(|device| !device.is_empty());
        Ok(Revocation {
            user: UserId::new(one.user).map_err(|_| Invalid("revocation's user"))?,
            device: device
                .map(DeviceId::new)
                .transpose()
                .map_err(|_| Invalid("revocation's device"))?,
            before: one.before,
        })
    };
    let revocations = page.revocations.into_iter().map(one).collect::<Result<_, _>>()?;
    Ok(Page { revocations, next: page.next, more: page.more })
}

pub(super) fn history_request(asker: &Device, request: &History) -> v1::HistoryRequest {
    use v1::history_request::Of;
    let conversation = request.conversation.map(|c| Bytes::copy_from_slice(&c.to_bytes()));
    let peer = request.user.as_ref().map(|user| Of::Peer(user.as_str().into()));
    let content_type = request.content_type.as_ref();
    v1::HistoryRequest {
        user: asker.user.as_str().into(),
        of: conversation.map(Of::Conversation).or(peer),
        before: request.before.map(bytes).unwrap_or_default(),
        after: request.after.map(bytes).unwrap_or_default(),
        sender: request.sender.as_ref().map(|user| user.as_str().into()).unwrap_or_default(),
        limit: request.limit.unwrap_or_default(),
        content_type: content_type.map(|range| range.as_str().into()).unwrap_or_default(),
        since: request.since,
        until: request.until,
    }
}

pub(super) fn append_result(result: v1::AppendResult) -> Result<AppendResult, Invalid> {
    use v1::{append_result::Result::*, refused::Reason};
    match result.result.ok_or(Invalid("append result"))? {
        Stored(stored) => Ok(AppendResult::Stored {
            id: id(&stored.id)?,
            devices: stored.devices.into_iter().map(device_of).collect::<Result<_, _>>()?,
        }),
        Refused(refused) => Ok(match refused.reason() {
            Reason::OutOfOrder => AppendResult::OutOfOrder { highest: id(&refused.highest)? },
            Reason::TooOld => AppendResult::TooOld,
            Reason::TooNew => AppendResult::TooNew,
            Reason::ReferenceConflict => AppendResult::Conflict,
            Reason::Forbidden => AppendResult::Forbidden(refused.text),
            Reason::GroupFull => AppendResult::GroupFull,
            // A reason of a newer service: it was not stored, and that is what counts.
            Reason::Unavailable | Reason::Unspecified => AppendResult::Unavailable,
        }),
    }
}

pub(super) fn inbox_page(page: v1::ReadInboxResponse) -> Result<InboxPage, Invalid> {
    let mut entries = Vec::with_capacity(page.messages.len() + page.receipts.len());
    for stored in page.messages {
        entries.push(Push::message(message(stored)?));
    }
    for stored in page.receipts {
        entries.push(Push::receipt(receipt(&stored)?));
    }
    Ok(InboxPage { entries, next: (!page.next.is_empty()).then_some(page.next) })
}

pub(super) fn history_page(
    request: &History,
    page: v1::HistoryResponse,
) -> Result<HistoryPage, Invalid> {
    let next = if page.next.is_empty() { None } else { Some(id(&page.next)?) };
    Ok(HistoryPage {
        id: request.id,
        messages: page.messages.into_iter().map(message).collect::<Result<_, _>>()?,
        next,
        stable_up_to: page.stable_up_to,
    })
}

pub(super) fn group(
    request: &GroupRequest,
    found: v1::ReadGroupResponse,
) -> Result<GroupState, Invalid> {
    let member = |member: v1::GroupMember| {
        use v1::group_member;
        let role = match member.role() {
            // A role of a newer service: nobody has less than a member.
            group_member::Role::Member | group_member::Role::Unspecified => Role::Member,
            group_member::Role::Admin => Role::Admin,
            group_member::Role::Owner => Role::Owner,
        };
        Ok(GroupMember { user: user(&member.user)?, role })
    };
    Ok(GroupState {
        id: request.id,
        group: request.group,
        name: GroupName::new(found.name).map_err(|_| Invalid("name of a group"))?,
        members: found.members.into_iter().map(member).collect::<Result<_, _>>()?,
    })
}

pub(super) fn receipts_of(
    request: &ReceiptsRequest,
    found: v1::ReadReceiptsResponse,
) -> Result<Receipts, Invalid> {
    let member = |one: v1::MemberReceipt| {
        let v1::MemberReceipt { delivered, read, .. } = one;
        Ok(MemberReceipt { user: user(&one.user)?, delivered, read })
    };
    let members = found.members.into_iter().map(member).collect::<Result<_, _>>()?;
    Ok(Receipts::of(request, members))
}

pub(super) fn receipts(
    stored: Vec<v1::StoredReceipt>,
) -> Result<Vec<(Push, Vec<Device>)>, Invalid> {
    let one = |stored: v1::StoredReceipt| {
        let push = Push::receipt(receipt(&stored.receipt.ok_or(Invalid("receipt"))?)?);
        let devices = stored.devices.into_iter().map(device_of).collect::<Result<_, _>>()?;
        Ok((push, devices))
    };
    stored.into_iter().map(one).collect()
}

/// Where a mark is now, or why it was not set.
pub(super) fn marked(
    result: &v1::MarkReadResult,
) -> Result<Result<MessageId, MarkFailure>, Invalid> {
    use v1::mark_read_result::Refusal;
    Ok(match Refusal::try_from(result.refusal) {
        Ok(Refusal::None) => Ok(id(&result.up_to)?),
        Ok(Refusal::NoPart) => Err(MarkFailure::Forbidden),
        Ok(Refusal::NoMessage) => Err(MarkFailure::NoMessage),
        Err(_) => return Err(Invalid("refusal of a mark")),
    })
}

pub(super) fn presence_to(to: Option<PresenceTo>) -> v1::PresenceTo {
    match to {
        None => v1::PresenceTo::Unspecified,
        Some(PresenceTo::Nobody) => v1::PresenceTo::Nobody,
        Some(PresenceTo::Contacts) => v1::PresenceTo::Contacts,
        Some(PresenceTo::Everybody) => v1::PresenceTo::Everybody,
    }
}

pub(super) fn presence_is(to: v1::PresenceTo) -> Result<PresenceTo, Invalid> {
    match to {
        v1::PresenceTo::Nobody => Ok(PresenceTo::Nobody),
        v1::PresenceTo::Contacts => Ok(PresenceTo::Contacts),
        v1::PresenceTo::Everybody => Ok(PresenceTo::Everybody),
        v1::PresenceTo::Unspecified => Err(Invalid("privacy")),
    }
}

fn message(stored: v1::StoredMessage) -> Result<Message, Invalid> {
    let to = match stored.to.ok_or(Invalid("recipient"))? {
        v1::stored_message::To::User(to) => Recipient::User(user(&to)?),
        v1::stored_message::To::Group(to) => {
            let bytes = to[..].try_into().map_err(|_| Invalid("group"))?;
            Recipient::Group(GroupId::from_bytes(bytes).map_err(|_| Invalid("group"))?)
        }
    };
    let sender = device_of(stored.sender.ok_or(Invalid("sender"))?)?;
    let content = stored.content.ok_or(Invalid("content"))?;
    let id = id(&stored.id)?;
    Ok(Message {
        message: id,
        conversation: conversation(&stored.conversation)?,
        from: sender.user,
        device: sender.device,
        to,
        at: id.millis(),
        content: Content {
            kind: ContentType::new(content.r#type).map_err(|_| Invalid("content type"))?,
            body: Body::new(content.body).map_err(|_| Invalid("body"))?,
        },
    })
}

fn receipt(stored: &v1::Receipt) -> Result<Receipt, Invalid> {
    let id = id(&stored.id)?;
    Ok(Receipt {
        receipt: id,
        kind: match v1::receipt::Kind::try_from(stored.kind) {
            Ok(v1::receipt::Kind::Delivered) => ReceiptKind::Delivered,
            Ok(v1::receipt::Kind::Read) => ReceiptKind::Read,
            Ok(v1::receipt::Kind::Unspecified) => return Err(Invalid("kind of receipt")),
            // Of a newer service. The client acknowledges it all the same.
            Err(_) => ReceiptKind::Other,
        },
        conversation: conversation(&stored.conversation)?,
        user: user(&stored.user)?,
        up_to: self::id(&stored.up_to)?,
        at: id.millis(),
    })
}

fn id(bytes: &[u8]) -> Result<MessageId, Invalid> {
    let bytes = bytes.try_into().map_err(|_| Invalid("id"))?;
    MessageId::from_bytes(bytes).map_err(|_| Invalid("id"))
}

fn conversation(bytes: &[u8]) -> Result<ConversationId, Invalid> {
    Ok(ConversationId::from_bytes(bytes.try_into().map_err(|_| Invalid("conversation"))?))
}

fn user(text: &str) -> Result<UserId, Invalid> {
    UserId::new(text).map_err(|_| Invalid("user"))
}

fn device_of(device: v1::Device) -> Result<Device, Invalid> {
    Ok(Device {
        user: user(&device.user)?,
        device: DeviceId::new(&device.device).map_err(|_| Invalid("device"))?,
    })
}
