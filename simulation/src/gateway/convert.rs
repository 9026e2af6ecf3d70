//! Between the words of the gateway's core, the manager and the message service.

use std::collections::BTreeSet;

use bytes::Bytes;
use chatcluster_protocol::{
    client::{Read, Receipt, Recipient},
    id::{DeviceId, MessageId, UserId},
};
use gateway_core::{
    ConnectionId, Device, Gateway, Incarnation, Push, Revocation,
    registrar::Seen,
    revocations::Page,
    session::{Append, AppendResult, InboxPage, MarkFailure},
};
use messages_core::{
    record::{Archived, Mark, To},
    repository::{
        self, Acknowledge, InboxCursor, MarkPlaced, MarkRead, Refused, Stored, Unmarked,
        WaitingReceipt,
    },
};

pub(super) fn gateway_of(lease: &chatcluster_manager::Lease) -> Gateway {
    Gateway {
        incarnation: Incarnation(lease.incarnation.0),
        host: lease.host.as_str().into(),
        port: lease.port,
    }
}

pub(super) fn route_of(route: &chatcluster_manager::Route) -> gateway_core::Route {
    gateway_core::Route {
        gateway: Gateway {
            incarnation: Incarnation(route.incarnation.0),
            host: route.host.as_str().into(),
            port: route.port,
        },
        connection: ConnectionId(route.connection),
        epoch: route.epoch,
    }
}

pub(super) fn append(append: Append) -> repository::Append {
    let send = &append.send;
    let message = Archived {
        from: send.sender.user.clone(),
        device: send.sender.device.clone(),
        reference: send.reference.clone(),
        to: match &send.to {
            Recipient::User(to) => To::User(to.clone()),
            Recipient::Group(to) => To::Group(*to),
        },
        kind: send.content.kind.clone(),
        body: send.content.body.clone(),
    };
    repository::Append { id: append.id, message }
}

pub(super) fn append_result(outcome: Result<Stored, Refused>) -> AppendResult {
    match outcome {
        Ok(Stored { id, devices, .. }) => {
            let device = |(user, device)| Device { user, device };
            AppendResult::Stored { id, devices: devices.into_iter().map(device).collect() }
        }
        Err(Refused::OutOfOrder(highest)) => AppendResult::OutOfOrder { highest },
        Err(Refused::TooOld) => AppendResult::TooOld,
        Err(Refused::TooNew) => AppendResult::TooNew,
        Err(Refused::ReferenceConflict) => AppendResult::Conflict,
        Err(Refused::Forbidden(text)) => AppendResult::Forbidden(text),
        Err(Refused::GroupFull) => AppendResult::GroupFull,
        Err(Refused::Unavailable(_)) => AppendResult::Unavailable,
    }
}

pub(super) fn acknowledge(
    device: &Device,
    messages: &[MessageId],
    receipts: &[MessageId],
    stamp: MessageId,
) -> Acknowledge {
    Acknowledge {
        user: device.user.clone(),
        device: device.device.clone(),
        messages: messages.iter().copied().collect::<BTreeSet<_>>(),
        receipts: receipts.iter().copied().collect(),
        stamp: stamp.stamp(),
    }
}

pub(super) fn mark(device: &Device, read: &Read, stamp: MessageId) -> MarkRead {
    MarkRead {
        user: device.user.clone(),
        device: device.device.clone(),
        conversation: read.conversation,
        up_to: read.up_to,
        stamp: stamp.stamp(),
    }
}

pub(super) fn unmarked(unmarked: Unmarked) -> MarkFailure {
    match unmarked {
        Unmarked::NoPart => MarkFailure::Forbidden,
        Unmarked::NoMessage => MarkFailure::NoMessage,
    }
}

pub(super) fn placed(mark: MarkPlaced) -> (Push, Vec<Device>) {
    let MarkPlaced { receipt: id, to, devices, conversation, peer, kind, up_to } = mark;
    (receipt(id, Mark { conversation, peer, kind, up_to }), devices_of(&to, devices))
}

pub(super) fn inbox_page(page: repository::InboxPage) -> InboxPage {
    let messages = page.messages.into_iter().map(Push::message);
    let receipts = page.receipts.into_iter().map(|WaitingReceipt { id, mark }| receipt(id, mark));
    let entries = messages.chain(receipts).collect();
    InboxPage { entries, next: page.next.and_then(write_cursor) }
}

fn receipt(id: MessageId, Mark { conversation, peer: user, kind, up_to }: Mark) -> Push {
    let (kind, at) = (kind.into(), id.millis());
    Push::receipt(Receipt { receipt: id, kind, conversation, user, up_to, at })
}

/// A cursor as the gRPC interface writes it: a tag, and an id where there is one.
fn write_cursor(cursor: InboxCursor) -> Option<Bytes> {
    let (tag, id) = match cursor {
        InboxCursor::Start => return None,
        InboxCursor::Messages(id) => (0, Some(id)),
        InboxCursor::Receipts(id) => (1, id),
    };
    let mut bytes = vec![tag];
    bytes.extend(id.into_iter().flat_map(MessageId::to_bytes));
    Some(bytes.into())
}

pub(super) fn read_cursor(cursor: Option<&Bytes>) -> InboxCursor {
    let Some((tag, id)) = cursor.and_then(|bytes| bytes.split_first()) else {
        return InboxCursor::Start;
    };
    let id = <[u8; 16]>::try_from(id).ok().and_then(|bytes| MessageId::from_bytes(bytes).ok());
    match (tag, id) {
        (0, Some(id)) => InboxCursor::Messages(id),
        (_, id) => InboxCursor::Receipts(id),
    }
}

fn devices_of(user: &UserId, devices: Vec<DeviceId>) -> Vec<Device> {
    devices.into_iter().map(|device| Device { user: user.clone(), device }).collect()
}

pub(super) fn seen(found: Vec<repository::Seen>) -> Seen {
    let mut seen = Seen::default();
    for (at, one) in (0u32..).zip(found) {
        match one.revoked_before {
            _ if !one.known => seen.unknown.push(at),
            Some(before) => seen.revoked.push((at, before)),
            None => {}
        }
    }
    seen
}

pub(super) fn revocations(page: repository::RevocationPage) -> Page {
    let one = |one: repository::Revocation| Revocation {
        user: one.user,
        device: one.device,
        before: one.before,
    };
    let revocations = page.revocations.into_iter().map(one).collect();
    Page { revocations, next: page.next.into(), more: page.more }
}
