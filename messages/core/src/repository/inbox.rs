//! What waits for devices.

use chatcluster_protocol::{
    client::Message,
    id::{ConversationId, DeviceId, MessageId, UserId},
    planted::{Bug, planted},
};

use super::{InboxCursor, InboxPage, Quorum, RepositoryError, WaitingReceipt};
use crate::{
    key,
    record::{self, Archived, InboxEntry, Mark},
    replica::Replica,
    view::Scan,
};

/// Bodies read at a time: a page that ends by its bytes has read this many too many at most.
const BODIES: usize = 16;

pub(super) async fn page<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    device: DeviceId,
    from: InboxCursor,
    limit: usize,
    bytes: usize,
) -> Result<InboxPage, RepositoryError> {
    let above = match from {
        InboxCursor::Start => None,
        InboxCursor::Messages(above) => Some(above),
        InboxCursor::Receipts(above) => {
            return receipts(quorum, &user, &device, above, limit).await;
        }
    };
    let prefix = key::inboxes(&user, &device);
    let mut scan = Scan::prefix(prefix, limit);
    if let Some(above) = above {
        scan.from = key::behind(&key::inbox(&user, &device, above));
    }
    let mut entries = Vec::new();
    let mut ended_at = None;
    for page in quorum.read(vec![scan]).await? {
        ended_at = page.ended_at.as_deref().and_then(key::id_of);
        for (key, value) in &page.rows {
            let entry = record::decode::<InboxEntry>(key, value)?;
            if let (Some(id), Some(entry)) = (key::id_of(key), entry) {
                entries.push((id, entry.conversation));
            }
        }
    }
    if planted(Bug::CursorSkips) && ended_at.is_some() {
        entries.pop();
    }
    let (messages, cut) = bodies(quorum, &entries, bytes).await?;
    if let Some(last) = cut.or(ended_at) {
        let next = Some(InboxCursor::Messages(last));
        return Ok(InboxPage { messages, receipts: Vec::new(), next });
    }
    let left = limit.saturating_sub(messages.len());
    if left == 0 {
        let next = Some(InboxCursor::Receipts(None));
        return Ok(InboxPage { messages, receipts: Vec::new(), next });
    }
    let receipts = receipts(quorum, &user, &device, None, left).await?;
    Ok(InboxPage { messages, ..receipts })
}

async fn receipts<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
    above: Option<MessageId>,
    limit: usize,
) -> Result<InboxPage, RepositoryError> {
    let mut scan = Scan::prefix(key::receipts(user, device), limit);
    if let Some(above) = above {
        scan.from = key::behind(&key::receipt(user, device, above));
    }
    let mut found = InboxPage::default();
    for page in quorum.read(vec![scan]).await? {
        let ended_at = page.ended_at.as_deref().and_then(key::id_of);
        found.next = ended_at.map(|id| InboxCursor::Receipts(Some(id)));
        for (key, value) in &page.rows {
            let mark = record::decode::<Mark>(key, value)?;
            if let (Some(id), Some(mark)) = (key::id_of(key), mark) {
                found.receipts.push(WaitingReceipt { id, mark });
            }
        }
    }
    Ok(found)
}

/// Reads the bodies of messages until they have this many bytes; then gives the last one read. A
/// message that is gone from the archive is left out.
pub(super) async fn bodies<R: Replica>(
    quorum: &Quorum<R>,
    ids: &[(MessageId, ConversationId)],
    bytes: usize,
) -> Result<(Vec<Message>, Option<MessageId>), RepositoryError> {
    let (mut messages, mut read) = (Vec::with_capacity(ids.len()), 0usize);
    for chunk in ids.chunks(BODIES) {
        let keys: Vec<_> = chunk.iter().map(|(id, conv)| key::archive(*conv, *id)).collect();
        for ((id, conversation), body) in chunk.iter().zip(quorum.get::<Archived>(keys).await?) {
            let Some(body) = body else { continue };
            read += body.body.as_str().len();
            messages.push(body.into_message(*id, *conversation));
            let last = ids.last().is_some_and(|(last, _)| last == id);
            if read >= bytes && !last {
                return Ok((messages, Some(*id)));
            }
        }
    }
    Ok((messages, None))
}

pub(super) async fn waiting<R: Replica>(
    quorum: &Quorum<R>,
    devices: Vec<(UserId, DeviceId)>,
    before: MessageId,
) -> Result<Vec<bool>, RepositoryError> {
    let first = |from, to| Scan { from, to, reverse: false, rows: 1, bytes: usize::MAX };
    let scans = devices.iter().flat_map(|(user, device)| {
        [
            first(key::inboxes(user, device), key::inbox(user, device, before)),
            first(key::receipts(user, device), key::receipt(user, device, before)),
        ]
    });
    let pages = quorum.read(scans.collect()).await?;
    // A page that is empty but not the last saw tombstones: rather one inbox read too many.
    let waits = |pages: &[crate::merge::Page]| {
        pages.iter().any(|page| !page.rows.is_empty() || page.ended_at.is_some())
    };
    Ok(pages.chunks(2).map(waits).collect())
}
