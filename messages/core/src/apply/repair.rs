//! What repair changes on a replica ([`crate::repair`]), and what is of no use any more.

use chatcluster_protocol::{
    Millis,
    id::{ConversationId, MessageId},
};

use super::{Applied, Effect, Stop, home, read};
use crate::{
    key::{self, Key, Table},
    merge,
    record::{self, InboxEntry, ReferenceRecord},
    replica::Identity,
    roster::Roster,
    view::{ViewError, ViewMut},
};

/// Joins rows with what is here.
pub(super) fn join(view: &mut impl ViewMut, rows: &[(Key, Vec<u8>)]) -> Applied {
    let (mut changed, mut moved) = (Vec::with_capacity(rows.len()), Vec::new());
    for (key, value) in rows {
        match view.get(key)? {
            // Of two removals neither is the better one.
            Some(own) if own == *value || both_removed(&own, value) => {}
            Some(own) => {
                let joined = merge::newer(key, &own, value)?;
                moved.extend(Differs::of(key, &own, value, &joined)?);
                if joined != own {
                    changed.push((key.clone(), joined));
                }
            }
            None if lacks_message(view, key, value)? => {}
            None => changed.push((key.clone(), value.clone())),
        }
    }
    for (key, value) in changed {
        view.put(key, value)?;
    }
    for Differs { key, own, joined } in moved {
        home::differs(view, key, own, joined)?;
    }
    Ok(Ok(Effect::Applied))
}

/// A message that is under one id here and under another one elsewhere: those that its device sent after it have to
/// follow it to the one that counts.
struct Differs<'a> {
    key: &'a [u8],
    own: MessageId,
    joined: MessageId,
}

impl<'a> Differs<'a> {
    fn of(
        key: &'a [u8],
        own: &[u8],
        given: &[u8],
        joined: &[u8],
    ) -> Result<Option<Self>, ViewError> {
        if Table::of(key) != Some(Table::Reference) {
            return Ok(None);
        }
        let id = |value: &[u8]| -> Result<_, ViewError> {
            Ok(record::decode::<ReferenceRecord>(key, value)?.map(|record| record.id))
        };
        let (Some(own), Some(given), Some(joined)) = (id(own)?, id(given)?, id(joined)?) else {
            return Ok(None);
        };
        Ok((own != given).then_some(Self { key, own, joined }))
    }
}

/// What points to a message that is not here: it is given again when the message is.
fn lacks_message(view: &impl ViewMut, key: &[u8], value: &[u8]) -> Result<bool, ViewError> {
    let conversation = match Table::of(key) {
        Some(Table::Inbox) => {
            record::decode::<InboxEntry>(key, value)?.map(|entry| entry.conversation)
        }
        Some(Table::Index | Table::FanOut) => record::decode::<ConversationId>(key, value)?,
        _ => None,
    };
    match conversation.zip(key::id_of(key)) {
        Some((conversation, id)) => Ok(view.get(&key::archive(conversation, id))?.is_none()),
        None => Ok(false),
    }
}

fn both_removed(one: &[u8], other: &[u8]) -> bool {
    record::is_tombstone(one) && record::is_tombstone(other)
}

/// Removes rows that are still so. One that joins may have begun to vote since it was looked at: from then on what
/// it has is believed, and stays.
pub(super) fn erase(
    view: &mut impl ViewMut,
    rows: &[(Key, Vec<u8>)],
    joining: Option<Identity>,
) -> Applied {
    if let Some(joining) = joining
        && read::<Roster>(view, &key::roster())?.is_some_and(|roster| roster.votes(joining))
    {
        return Ok(Err(Stop::Votes));
    }
    let mut there = Vec::with_capacity(rows.len());
    for (key, value) in rows {
        if view.get(key)?.as_ref() == Some(value) {
            there.push(key);
        }
    }
    for key in there {
        view.erase(key)?;
    }
    Ok(Ok(Effect::Applied))
}

/// Removes records, as every removal is done.
pub(super) fn forget(view: &mut impl ViewMut, keys: &[Key], now: Millis) -> Applied {
    for key in keys {
        view.remove(key, now)?;
    }
    Ok(Ok(Effect::Applied))
}
