//! From the core's types to gRPC messages.

use chatcluster_messages_api::v1;
use chatcluster_protocol::{
    Millis,
    client::{MemberReceipt, Message, PresenceTo, Recipient, Role},
    id::{DeviceId, MessageId, UserId},
};
use messages_core::{
    group::Group,
    record::MarkKind,
    repository::{
        InboxPage, MarkPlaced, Marked, MessagePage, Refused, Revocation, Stored, Unmarked,
        WaitingReceipt,
    },
};

use super::read::write_inbox_cursor;

pub(super) fn append_result(outcome: Result<Stored, Refused>) -> v1::AppendResult {
    use v1::append_result::Result as Outcome;
    let result = match outcome {
        Ok(stored) => Outcome::Stored(v1::Stored {
            id: id(stored.id),
            conversation: stored.conversation.to_bytes().to_vec().into(),
            devices: stored.devices.iter().map(|(user, one)| device(user, one)).collect(),
        }),
        Err(refused) => Outcome::Refused(self::refused(&refused)),
    };
    v1::AppendResult { result: Some(result) }
}

fn refused(refused: &Refused) -> v1::Refused {
    use v1::refused::Reason;
    let (reason, highest) = match refused {
        Refused::OutOfOrder(highest) => (Reason::OutOfOrder, id(*highest)),
        Refused::TooOld => (Reason::TooOld, Vec::new().into()),
        Refused::TooNew => (Reason::TooNew, Vec::new().into()),
        Refused::ReferenceConflict => (Reason::ReferenceConflict, Vec::new().into()),
        Refused::Forbidden(_) => (Reason::Forbidden, Vec::new().into()),
        Refused::GroupFull => (Reason::GroupFull, Vec::new().into()),
        Refused::Unavailable(_) => (Reason::Unavailable, Vec::new().into()),
    };
    v1::Refused { reason: reason.into(), highest, text: refused.to_string() }
}

pub(super) fn inbox(page: InboxPage) -> v1::ReadInboxResponse {
    v1::ReadInboxResponse {
        messages: page.messages.into_iter().map(message).collect(),
        receipts: page.receipts.into_iter().map(waiting_receipt).collect(),
        next: write_inbox_cursor(page.next).into(),
    }
}

pub(super) fn history(page: MessagePage, stable_up_to: Millis) -> v1::HistoryResponse {
    v1::HistoryResponse {
        messages: page.messages.into_iter().map(message).collect(),
        next: page.next.filter(|_| page.more).map(id).unwrap_or_default(),
        stable_up_to,
    }
}

pub(super) fn stored_receipt(mark: MarkPlaced) -> v1::StoredReceipt {
    let receipt = v1::Receipt {
        id: id(mark.receipt),
        kind: kind(mark.kind).into(),
        conversation: mark.conversation.to_bytes().to_vec().into(),
        user: mark.peer.to_string(),
        up_to: id(mark.up_to),
    };
    v1::StoredReceipt { receipt: Some(receipt), devices: devices(&mark.to, mark.devices) }
}

pub(super) fn marked(marked: Result<Marked, Unmarked>) -> v1::MarkReadResult {
    use v1::mark_read_result::Refusal;
    let refused =
        |refusal: Refusal| v1::MarkReadResult { refusal: refusal.into(), ..Default::default() };
    match marked {
        Ok(Marked { up_to, receipts }) => v1::MarkReadResult {
            refusal: Refusal::None.into(),
            up_to: id(up_to),
            receipts: receipts.into_iter().map(stored_receipt).collect(),
        },
        Err(Unmarked::NoPart) => refused(Refusal::NoPart),
        Err(Unmarked::NoMessage) => refused(Refusal::NoMessage),
    }
}

pub(super) fn presence_to(presence_to: PresenceTo) -> v1::PresenceTo {
    match presence_to {
        PresenceTo::Nobody => v1::PresenceTo::Nobody,
        PresenceTo::Contacts => v1::PresenceTo::Contacts,
        PresenceTo::Everybody => v1::PresenceTo::Everybody,
    }
}

pub(super) fn group(group: &Group) -> v1::ReadGroupResponse {
    use v1::group_member;
    let member = |(user, role): (&UserId, Role)| {
        let role = match role {
            Role::Member => group_member::Role::Member,
            Role::Admin => group_member::Role::Admin,
            Role::Owner => group_member::Role::Owner,
        };
        v1::GroupMember { user: user.to_string(), role: role.into() }
    };
    let name = group.name().to_string();
    v1::ReadGroupResponse { name, members: group.members().map(member).collect() }
}

pub(super) fn receipts(members: Vec<MemberReceipt>) -> v1::ReadReceiptsResponse {
    let member = |MemberReceipt { user, delivered, read }| v1::MemberReceipt {
        user: user.to_string(),
        delivered,
        read,
    };
    v1::ReadReceiptsResponse { members: members.into_iter().map(member).collect() }
}

pub(super) fn revocation(one: Revocation) -> v1::Revocation {
    let device = one.device.map(|device| device.to_string()).unwrap_or_default();
    v1::Revocation { user: one.user.to_string(), device, before: one.before }
}

fn waiting_receipt(WaitingReceipt { id: receipt, mark }: WaitingReceipt) -> v1::Receipt {
    v1::Receipt {
        id: id(receipt),
        kind: kind(mark.kind).into(),
        conversation: mark.conversation.to_bytes().to_vec().into(),
        user: mark.peer.to_string(),
        up_to: id(mark.up_to),
    }
}

fn kind(kind: MarkKind) -> v1::receipt::Kind {
    match kind {
        MarkKind::Delivered => v1::receipt::Kind::Delivered,
        MarkKind::Read => v1::receipt::Kind::Read,
    }
}

fn message(message: Message) -> v1::StoredMessage {
    let to = match message.to {
        Recipient::User(user) => v1::stored_message::To::User(user.to_string()),
        Recipient::Group(group) => v1::stored_message::To::Group(group.to_bytes().to_vec().into()),
    };
    v1::StoredMessage {
        id: id(message.message),
        conversation: message.conversation.to_bytes().to_vec().into(),
        sender: Some(device(&message.from, &message.device)),
        to: Some(to),
        content: Some(v1::Content {
            r#type: message.content.kind.as_str().to_owned(),
            body: message.content.body.as_str().to_owned(),
        }),
    }
}

fn devices(user: &UserId, devices: Vec<DeviceId>) -> Vec<v1::Device> {
    devices.iter().map(|one| device(user, one)).collect()
}

fn device(user: &UserId, device: &DeviceId) -> v1::Device {
    v1::Device { user: user.to_string(), device: device.to_string() }
}

fn id(id: MessageId) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&id.to_bytes())
}
