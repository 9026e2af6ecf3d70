//! Removal from an inbox, and the receipts that follow from it, in one step: the receipt is stored
//! before the entry goes (P4), and neither is there without the other.
//!
//! The sender's registry and inboxes are on the receiver's island as long as there is one island. With
//! several, the due marks become a pending record beside the removal, as fan-outs are for messages.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    Millis,
    client::ReceiptKind,
    id::{ConversationId, Identity, MessageId, UserId},
};

use super::{
    Applied, Effect, MarkPlaced, There,
    mark::{place, receipt_id, told_devices},
    read,
};
use crate::{
    key,
    record::{self, Delivered, Id, InboxEntry, Mark, MarkKind, Told, encode},
    repository::Acknowledge,
    view::{Scan, ViewError, ViewMut},
};

/// Entries that are looked at below the highest acknowledged one. A session's window of
/// unacknowledged pushes is far smaller, so only a device that acknowledges wildly out of order
/// reaches it; its receipts then wait until it acknowledges more.
const LOOK_BACK: usize = 4096;

/// One sender in one conversation, and the entries of theirs that are acknowledged now.
type Groups = BTreeMap<(ConversationId, UserId), BTreeSet<MessageId>>;

struct Due {
    key: key::Key,
    delivered: Delivered,
    mark: Option<(MarkPlaced, Option<MessageId>)>,
}

/// Removes what a device has kept. What is not there writes nothing (rule 19).
pub(super) fn apply(
    view: &mut impl ViewMut,
    ack: &Acknowledge,
    there: Option<&There>,
    now: Millis,
) -> Applied {
    let found;
    let there = match there {
        Some(there) => there,
        None => {
            found = look(view, ack)?;
            &found
        }
    };
    let mut groups = Groups::new();
    let receipted = there.messages.iter().filter(|(_, entry)| !entry.is_own(&ack.user));
    for (id, entry) in receipted {
        groups.entry((entry.conversation, entry.from.clone())).or_default().insert(*id);
    }
    let mut due = Vec::with_capacity(groups.len());
    for ((conversation, sender), ids) in groups {
        due.push(consider(view, ack, conversation, sender, &ids)?);
    }

    let mut placed = Vec::new();
    for Due { key, delivered, mark } in due {
        view.put(key, encode(delivered))?;
        if let Some((mark, old)) = mark {
            place(view, &mark, old, now)?;
            placed.push(mark);
        }
    }
    for id in there.messages.keys() {
        view.remove(&key::inbox(&ack.user, &ack.device, *id), now)?;
    }
    for id in &there.receipts {
        view.remove(&key::receipt(&ack.user, &ack.device, *id), now)?;
    }
    Ok(Ok(Effect::Marked(placed)))
}

/// What of the acknowledged is there.
fn look(view: &impl ViewMut, ack: &Acknowledge) -> Result<There, ViewError> {
    let mut there = There::default();
    for id in &ack.messages {
        if let Some(entry) = read(view, &key::inbox(&ack.user, &ack.device, *id))? {
            there.messages.insert(*id, entry);
        }
    }
    for id in &ack.receipts {
        if read::<Mark>(view, &key::receipt(&ack.user, &ack.device, *id))?.is_some() {
            there.receipts.insert(*id);
        }
    }
    Ok(there)
}

/// What the acknowledgement of `ids` means for their sender. Reads only.
fn consider(
    view: &impl ViewMut,
    ack: &Acknowledge,
    conversation: ConversationId,
    sender: UserId,
    ids: &BTreeSet<MessageId>,
) -> Result<Due, ViewError> {
    let key = key::delivered(&ack.user, conversation, &sender);
    let mut delivered: Delivered = read(view, &key)?.unwrap_or_default();
    let before = delivered.acknowledged.get(&ack.device).map(|id| id.0);
    let highest = ids.last().copied().max(before);
    let Some(highest) = highest else { return Ok(Due { key, delivered, mark: None }) };
    delivered.acknowledged.insert(ack.device.clone(), Id(highest));

    let told = delivered.told;
    let up_to = match left_below(view, ack, conversation, &sender, highest)? {
        Left::Nothing => Some(highest),
        Left::Lowest(left) => ids.range(..left).next_back().copied(),
        Left::Unknown => None,
    };
    let rises = up_to.filter(|up_to| told.is_none_or(|told| told.up_to < *up_to));
    let Some(up_to) = rises else { return Ok(Due { key, delivered, mark: None }) };

    let identity = Identity::of_receipt(ReceiptKind::Delivered, &ack.user, conversation);
    let receipt = receipt_id(ack.stamp, told.map(|told| told.receipt), identity);
    delivered.told = Some(Told { receipt, up_to });
    // A thousand members would be a thousand receipts for each message. What each has is kept all the same.
    if conversation.group().is_some() {
        return Ok(Due { key, delivered, mark: None });
    }
    // A device that acknowledges what another device of its own user sent knows so already.
    let devices = told_devices(view, &sender, (&ack.user, &ack.device))?;
    let peer = ack.user.clone();
    let kind = MarkKind::Delivered;
    let mark = MarkPlaced { receipt, to: sender, devices, conversation, peer, kind, up_to };
    Ok(Due { key, delivered, mark: Some((mark, told.map(|told| told.receipt))) })
}

enum Left {
    Nothing,
    Lowest(MessageId),
    Unknown,
}

/// The lowest entry of a sender in a conversation that stays in the inbox at or below `highest`.
fn left_below(
    view: &impl ViewMut,
    ack: &Acknowledge,
    conversation: ConversationId,
    sender: &UserId,
    highest: MessageId,
) -> Result<Left, ViewError> {
    let scan = Scan {
        from: key::inboxes(&ack.user, &ack.device),
        to: key::behind(&key::inbox(&ack.user, &ack.device, highest)),
        reverse: false,
        rows: LOOK_BACK,
        bytes: usize::MAX,
    };
    let rows = view.scan(&scan)?;
    for (key, value) in &rows.rows {
        let Some(entry) = record::decode::<InboxEntry>(key, value)? else { continue };
        let id = key::id_of(key).ok_or_else(|| record::Corrupt::new(key, "its key has no id"))?;
        let same = entry.conversation == conversation && entry.from == *sender;
        if same && !ack.messages.contains(&id) {
            return Ok(Left::Lowest(id));
        }
    }
    Ok(if rows.truncated { Left::Unknown } else { Left::Nothing })
}
