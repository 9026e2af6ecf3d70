//! What replicas have in a range, and what each is to be given.
//!
//! A replica takes what it has for checked: where it has a message, it has the messages that its device had sent
//! before, and how far each of them came. Rows that it is given must leave that so. Hence:
//!
//! - A message comes with its reference, with how far its device has sent and moved up in its conversation, with the
//!   participations of who takes part, with its group, with its place in the index, and with its fan-out. They are
//!   read after it, and only go on. Where one of them cannot be read, it is not given.
//! - Those right before it in its conversation, where replicas were compared a moment ago, are compared once more, as
//!   of the state of each replica that it is read from.
//! - What points to a message is not taken before the message ([`crate::apply`]).

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    Millis,
    id::GroupId,
    planted::{Bug, planted},
};

use crate::{
    apply::{Part, Unit},
    digest,
    key::{self, Key, Table},
    merge,
    record::{self, Archived, Corrupt, Moved, ReferenceRecord},
    view::{Rows, Scan},
};

/// What replicas have in a range, as far as all of them were heard.
#[derive(Debug, Default)]
pub(super) struct Range {
    /// As those that vote have it together, tombstones included.
    pub(super) truth: BTreeMap<Key, Vec<u8>>,
    /// As each replica has it.
    own: Vec<BTreeMap<Key, Vec<u8>>>,
    /// Where the range ended, if there may be more of it.
    pub(super) ended_at: Option<Key>,
}

impl Range {
    /// The pages of replicas, and which of them vote.
    pub(super) fn of(pages: Vec<Rows>, votes: &[bool], reverse: bool) -> Result<Self, Corrupt> {
        let ends = pages.iter().filter(|page| page.truncated);
        let ends = ends.filter_map(|page| page.rows.last().map(|(key, _)| key));
        let ended_at = if reverse { ends.max() } else { ends.min() }.cloned();
        let inside = |key: &Key| match &ended_at {
            Some(end) if reverse => key >= end,
            Some(end) => key <= end,
            None => true,
        };
        let voting = pages.iter().zip(votes).filter(|(_, votes)| **votes);
        let truth = merge::merge_all(voting.map(|(page, _)| page.clone()).collect(), reverse)?;
        let mut truth: BTreeMap<_, _> =
            truth.rows.into_iter().filter(|(key, _)| inside(key)).collect();
        let own = pages.into_iter().map(|page| page.rows.into_iter());
        let own: Vec<BTreeMap<_, _>> =
            own.map(|rows| rows.filter(|(key, _)| inside(key)).collect()).collect();
        if planted(Bug::AbsentIsRemoved) {
            truth.retain(|key, _| own.iter().filter(|own| own.contains_key(key)).count() > 1);
        }
        Ok(Self { truth, own, ended_at })
    }

    /// What a replica has to be given. Nobody is given what is to be forgotten, unless there is something in its place.
    pub(super) fn lacks(
        &self,
        replica: usize,
        forgotten_before: Millis,
    ) -> impl Iterator<Item = (Key, Vec<u8>)> {
        let own = self.own.get(replica);
        let lacks = move |(key, value): &(&Key, &Vec<u8>)| match (
            own.and_then(|own| own.get(*key)),
            record::removed_at(value),
        ) {
            (None, Some(at)) => at >= forgotten_before,
            (None, None) => true,
            (Some(own), Some(_)) => !record::is_tombstone(own),
            (Some(own), None) => own != *value,
        };
        self.truth.iter().filter(lacks).map(|(key, value)| (key.clone(), value.clone()))
    }

    /// What a replica has that none of those that vote has.
    pub(super) fn alone(&self, replica: usize) -> impl Iterator<Item = (Key, Vec<u8>)> {
        let own = self.own.get(replica).into_iter().flatten();
        let alone = own.filter(|(key, _)| !self.truth.contains_key(*key));
        alone.map(|(key, value)| (key.clone(), value.clone()))
    }
}

/// The part of a conversation right before a stretch that begins in it.
pub(super) fn earlier(scan: &Scan) -> Option<Scan> {
    if Table::of(&scan.from) != Some(Table::Archive) {
        return None;
    }
    let conversation = scan.from.get(..17)?;
    let earlier = digest::stretch(conversation.to_vec(), scan.from.clone());
    Some(Scan { reverse: true, ..earlier })
}

/// Messages that somebody lacks, and what decides about them.
#[derive(Debug, Default)]
pub(super) struct Companions {
    pub(super) keys: BTreeSet<Key>,
    /// By their references' keys.
    messages: BTreeMap<Key, Archived>,
}

impl Companions {
    /// Of the messages among these rows.
    pub(super) fn of<'a>(rows: impl Iterator<Item = (&'a Key, &'a Vec<u8>)>) -> Self {
        let mut all = Self::default();
        for (key, value) in rows.filter(|(key, _)| Table::of(key) == Some(Table::Archive)) {
            let Ok(Some(message)) = record::decode::<Archived>(key, value) else { continue };
            let (conversation, from, device) =
                (message.conversation(), &message.from, &message.device);
            let reference = key::reference(from, device, &message.reference);
            all.keys.insert(reference.clone());
            all.keys.insert(key::order(from, device, conversation));
            all.keys.insert(key::moved(from, device, conversation));
            all.keys.extend(message.pair().map(|user| key::participation(user, conversation)));
            all.keys.extend(message.group().map(key::group));
            all.keys.extend(
                key::id_of(key).into_iter().flat_map(|id| [key::index(id), key::fan_out(id)]),
            );
            all.messages.insert(reference, message);
        }
        all
    }

    /// What gives a replica rows, and with the messages among them what was found of their companions.
    pub(super) fn given_with(&self, found: &[Range], rows: BTreeMap<Key, Vec<u8>>) -> Unit {
        let (mut parts, mut before, mut behind) = (Vec::new(), Vec::new(), Vec::new());
        for range in found {
            for (key, value) in &range.truth {
                match Table::of(key) {
                    // The participations of its members follow from it.
                    Some(Table::Group) => parts.extend(group(key, value)),
                    Some(Table::Index | Table::FanOut) => behind.push((key.clone(), value.clone())),
                    _ => before.push((key.clone(), value.clone())),
                }
                parts.extend(self.followed(key, value, range));
            }
        }
        let rows = [before, rows.into_iter().collect(), behind];
        parts.extend(rows.into_iter().filter(|rows| !rows.is_empty()).map(Part::Join));
        Unit(parts)
    }

    /// What replicas have under several ids moves up to one of them, and its device's later messages follow it.
    fn followed(&self, key: &Key, value: &[u8], range: &Range) -> Option<Part> {
        let message = self.messages.get(key)?;
        let id = |value: &[u8]| {
            let record = record::decode::<ReferenceRecord>(key, value).ok()??;
            Some(record.id)
        };
        let own: BTreeSet<_> = range.own.iter().filter_map(|own| id(own.get(key)?)).collect();
        if own.len() < 2 {
            return None;
        }
        Some(Part::follow(message, Moved::to(id(value)?, message.reference.clone())))
    }
}

fn group(key: &[u8], value: &[u8]) -> Option<Part> {
    let group = GroupId::from_bytes(key::conversation_of(key)?.to_bytes()).ok()?;
    let known = record::decode(key, value).ok()??;
    Some(Part::LearnGroup { group, known })
}
