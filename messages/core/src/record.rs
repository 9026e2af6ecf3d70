//! Values: what stands behind the keys.
//!
//! A value is the format's version (1 byte), then the postcard encoding of a [`Cell`]: postcard is
//! compact, has a written specification, and these types are private to the message service. A field
//! enters under a new version; a version lives as long as any release that may still meet it.

use std::{borrow::Cow, collections::BTreeMap};

use chatcluster_protocol::{
    Millis,
    client::{Body, Content, ContentType, Message, PresenceTo, ReceiptKind, Recipient},
    id::{ConversationId, DeviceId, GroupId, MessageId, Reference, UserId},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

pub use moved::Moved;

use crate::key::Table;

mod moved;

const FORMAT: u8 = 1;

/// A value, or that it was removed. Removals win over every write (rule 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cell<T> {
    /// The value.
    Live(T),
    /// Removed at this time, and remembered until every replica knows.
    Removed(Millis),
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record of table {table:?} cannot be read: {reason}")]
pub struct Corrupt {
    /// Where it is.
    pub table: Option<Table>,
    /// What is wrong with it.
    pub reason: String,
}

impl Corrupt {
    pub(crate) fn new(key: &[u8], reason: impl ToString) -> Self {
        Self { table: Table::of(key), reason: reason.to_string() }
    }
}

/// Encodes a value.
pub fn encode<T: Serialize>(value: T) -> Vec<u8> {
    write(&Cell::Live(value))
}

/// What stands in place of a removed value.
pub fn tombstone(now: Millis) -> Vec<u8> {
    write(&Cell::<()>::Removed(now))
}

/// Whether a value is a tombstone; reads no more than that.
pub fn is_tombstone(value: &[u8]) -> bool {
    value.first() == Some(&FORMAT) && value.get(1) == Some(&1)
}

/// When a value was removed, where it is a tombstone.
pub fn removed_at(value: &[u8]) -> Option<Millis> {
    if !is_tombstone(value) {
        return None;
    }
    match postcard::from_bytes(value.get(1..)?) {
        Ok(Cell::<()>::Removed(at)) => Some(at),
        // A removal all the same, and the last one to be forgotten.
        _ => Some(Millis::MAX),
    }
}

/// Reads the value of `key`; `None` where it was removed.
pub fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<Option<T>, Corrupt> {
    match value.split_first() {
        Some((&FORMAT, rest)) => match postcard::from_bytes(&whole(key, rest)) {
            Ok(Cell::Live(value)) => Ok(Some(value)),
            Ok(Cell::Removed(_)) => Ok(None),
            Err(error) => Err(Corrupt::new(key, error)),
        },
        Some((version, _)) => {
            Err(Corrupt::new(key, format!("format {version} is not known, this is {FORMAT}")))
        }
        None => Err(Corrupt::new(key, "it is empty")),
    }
}

/// Registries once ended before [`Registry::left`]. An empty map is one zero, and what follows a
/// complete record is not looked at.
fn whole<'a>(key: &[u8], rest: &'a [u8]) -> Cow<'a, [u8]> {
    match Table::of(key) {
        Some(Table::Registry) => Cow::Owned([rest, &[0]].concat()),
        _ => Cow::Borrowed(rest),
    }
}

fn write<T: Serialize>(cell: &Cell<T>) -> Vec<u8> {
    // Writing plain structs to memory cannot fail; an empty value would be found as corrupt.
    postcard::to_extend(cell, vec![FORMAT]).unwrap_or_default()
}

/// A message as it was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The sender.
    pub from: UserId,
    /// The sender's device.
    pub device: DeviceId,
    /// The client's reference; it leads to the reference record.
    pub reference: Reference,
    /// To whom.
    pub to: To,
    /// Media type of the body.
    pub kind: ContentType,
    /// The body.
    pub body: Body,
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum To {
    /// One user.
    User(UserId),
    /// Everybody in a group.
    Group(#[serde(with = "group_bytes")] GroupId),
}

/// SHA-256 of recipient and content, cut to 16 bytes: tells whether a reference is used again for
/// the same thing (rule 8).
pub type ContentHash = [u8; 16];

impl Archived {
    /// The conversation that it belongs to.
    pub fn conversation(&self) -> ConversationId {
        match &self.to {
            To::User(to) => ConversationId::between(&self.from, to),
            To::Group(group) => (*group).into(),
        }
    }

    /// Who takes part in a conversation of two, each once, the sender last. Of a group the message does not
    /// tell.
    pub fn pair(&self) -> impl Iterator<Item = &UserId> {
        let (users, count) = match &self.to {
            To::User(to) if *to == self.from => ([to, to], 1),
            To::User(to) => ([to, &self.from], 2),
            To::Group(_) => ([&self.from; 2], 0),
        };
        users.into_iter().take(count)
    }

    /// The group that it goes to.
    pub fn group(&self) -> Option<GroupId> {
        match self.to {
            To::User(_) => None,
            To::Group(group) => Some(group),
        }
    }

    /// What makes it the same thing as another one.
    pub fn hash(&self) -> ContentHash {
        let (kind, to) = match &self.to {
            To::User(to) => ("user", Cow::Borrowed(to.as_str())),
            To::Group(group) => ("group", Cow::Owned(group.to_string())),
        };
        let mut hash = Sha256::new();
        for part in [kind, &*to, self.kind.as_str(), self.body.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut short = ContentHash::default();
        short.copy_from_slice(&hash.finalize()[..16]);
        short
    }

    /// As clients and backends see it.
    pub fn into_message(self, id: MessageId, conversation: ConversationId) -> Message {
        let to = match self.to {
            To::User(to) => Recipient::User(to),
            To::Group(group) => Recipient::Group(group),
        };
        Message {
            message: id,
            conversation,
            from: self.from,
            device: self.device,
            to,
            at: id.millis(),
            content: Content { kind: self.kind, body: self.body },
        }
    }
}

/// What a client's reference stands for (rule 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    /// The message that was stored under it.
    #[serde(with = "id_bytes")]
    pub id: MessageId,
    /// What it says.
    pub hash: ContentHash,
    /// How far it got.
    pub state: ReferenceState,
}

/// How far the storing of a message got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferenceState {
    /// Some inboxes may not have it yet.
    Pending,
    /// Every part is on its quorum, in the inboxes of these devices. None are named where they are those of a
    /// group: a list of them with each message would be longer than most messages.
    Complete(Vec<(UserId, DeviceId)>),
}

/// A user's devices (rule 12).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Registry {
    /// Rises whenever a device comes or goes.
    pub version: u64,
    /// The devices, at most [`crate::apply::DEVICES`].
    pub devices: BTreeMap<DeviceId, Registration>,
    /// The devices that have left, also if they are back: of two replicas the one that knows of the later
    /// change is right. Forgotten after [`crate::apply::LEFT`].
    pub left: BTreeMap<DeviceId, Left>,
}

/// A device has left its user's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Rises whenever it comes or goes: 1 when it came first, so odd while it is here.
    pub changes: u64,
    /// When it left last.
    pub at: Millis,
}

/// Tokens that were issued before this time are not accepted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revoked {
    /// The time.
    pub before: Millis,
}

impl Registry {
    /// How often a device has come or gone.
    pub(crate) fn changes(&self, device: &DeviceId) -> u64 {
        let first = u64::from(self.devices.contains_key(device));
        self.left.get(device).map_or(first, |left| left.changes)
    }
}

/// A device has left its user's registry, and its inbox may not be empty yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// When it left.
    pub at: Millis,
}

/// When a device was here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// When it came first.
    pub registered_at: Millis,
    /// When it came last, to the hour.
    pub last_seen: Millis,
}

/// A message that a device is owed; the body is in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxEntry {
    /// Where the body is.
    pub conversation: ConversationId,
    /// Who gets the receipt.
    pub from: UserId,
}

impl InboxEntry {
    /// It tells a device of this user what another one of theirs has sent to somebody else. No receipt
    /// follows from it.
    pub fn is_own(&self, user: &UserId) -> bool {
        self.from == *user && self.conversation != ConversationId::between(user, user)
    }
}

/// A receipt that a device is owed: `peer` has everything up to `up_to` that this user sent, or has read
/// that far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Who has received or read.
    pub peer: UserId,
    /// What happened.
    pub kind: MarkKind,
    /// The highest id that it is true of.
    #[serde(with = "id_bytes")]
    pub up_to: MessageId,
}

/// What a mark tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MarkKind {
    /// A device has it.
    Delivered,
    /// The user has read it.
    Read,
}

impl From<MarkKind> for ReceiptKind {
    fn from(kind: MarkKind) -> Self {
        match kind {
            MarkKind::Delivered => Self::Delivered,
            MarkKind::Read => Self::Read,
        }
    }
}

/// How far a user has received what another one sent in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delivered {
    /// What the sender was told last: the receipt's id and how far it reached.
    pub told: Option<Told>,
    /// The highest id that each of the receiver's devices has acknowledged.
    pub acknowledged: BTreeMap<DeviceId, Id>,
}

/// A receipt as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its id.
    #[serde(with = "id_bytes")]
    pub receipt: MessageId,
    /// How far it reached.
    #[serde(with = "id_bytes")]
    pub up_to: MessageId,
}

impl Told {
    /// The one that reached further.
    pub(crate) fn further(self, other: Self) -> Self {
        let reach = |told: &Self| (told.up_to, told.receipt);
        if reach(&other) > reach(&self) { other } else { self }
    }

    /// The same, of what there is.
    pub(crate) fn further_of(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.further(other)),
            (one, other) => one.or(other),
        }
    }
}

/// Who may see what of a user: a register of which the last write counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Privacy {
    /// When it was set, by the hybrid clock of a gateway. First, as the order of two goes by it.
    at: Id,
    presence_to: SeenBy,
}

/// [`PresenceTo`], as it is stored: by its position. Of two that are set at once the later one here stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum SeenBy {
    Everybody,
    Contacts,
    Nobody,
}

impl Privacy {
    /// Set at that time.
    pub fn new(at: MessageId, presence_to: PresenceTo) -> Self {
        let presence_to = match presence_to {
            PresenceTo::Everybody => SeenBy::Everybody,
            PresenceTo::Contacts => SeenBy::Contacts,
            PresenceTo::Nobody => SeenBy::Nobody,
        };
        Self { at: Id(at), presence_to }
    }

    /// When it was set, by the hybrid clock of a gateway.
    pub const fn at(self) -> MessageId {
        self.at.0
    }

    /// Who may see when the user is online.
    pub const fn presence_to(self) -> PresenceTo {
        match self.presence_to {
            SeenBy::Everybody => PresenceTo::Everybody,
            SeenBy::Contacts => PresenceTo::Contacts,
            SeenBy::Nobody => PresenceTo::Nobody,
        }
    }
}

/// A message id as a value of its own: 16 bytes instead of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(#[serde(with = "id_bytes")] pub MessageId);

mod group_bytes {
    use serde::{Deserializer, Serializer, de::Error};

    use super::*;

    pub(super) fn serialize<S: Serializer>(
        group: &GroupId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        group.to_bytes().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<GroupId, D::Error> {
        GroupId::from_bytes(<[u8; 16]>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

mod id_bytes {
    use serde::{Deserializer, Serializer, de::Error};

    use super::*;

    pub(super) fn serialize<S: Serializer>(
        id: &MessageId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        id.to_bytes().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<MessageId, D::Error> {
        MessageId::from_bytes(<[u8; 16]>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_may_see_a_user_is_stored_by_numbers_that_stay() {
        for (presence_to, number) in
            [(PresenceTo::Everybody, 0), (PresenceTo::Contacts, 1), (PresenceTo::Nobody, 2)]
        {
            let privacy = Privacy::new(MessageId::floor(7), presence_to);
            assert_eq!(privacy.presence_to(), presence_to);
            assert_eq!(encode(privacy).last(), Some(&number));
        }
    }

    #[test]
    fn of_two_settings_at_once_the_closer_one_stands() {
        let set = |at, to| Privacy::new(MessageId::floor(at), to);
        let open = set(7, PresenceTo::Everybody);
        assert!(set(7, PresenceTo::Nobody) > open && open > set(6, PresenceTo::Nobody));
    }
    use crate::key;

    fn said(to: &str, body: &str) -> Archived {
        Archived {
            from: UserId::new("alice").unwrap(),
            device: DeviceId::new("phone").unwrap(),
            reference: Reference::new("r-1").unwrap(),
            to: To::User(UserId::new(to).unwrap()),
            kind: ContentType::default(),
            body: Body::new(body).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_written(to in "[a-z@.]{1,20}", body in ".{0,200}") {
            let archived = said(&to, &body);
            let value = encode(&archived);
            prop_assert!(!is_tombstone(&value));
            prop_assert_eq!(decode(&[1], &value), Ok(Some(archived)));
        }

        #[test]
        fn whatever_is_on_disk_reading_it_ends(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode::<Archived>(&[1], &bytes);
            let _ = decode::<Delivered>(&[10], &bytes);
        }
    }

    #[test]
    fn a_tombstone_reads_as_nothing_and_garbage_as_an_error_with_its_table() {
        assert!(is_tombstone(&tombstone(5)));
        assert_eq!(removed_at(&tombstone(5)), Some(5));
        assert_eq!(removed_at(&encode(5u64)), None);
        assert_eq!(removed_at(&[FORMAT, 1]), Some(Millis::MAX));
        assert_eq!(decode::<Archived>(&[1], &tombstone(5)), Ok(None));
        let registry = key::registry(&UserId::new("alice").unwrap());
        for broken in [&[][..], &[9, 0], &[FORMAT, 7], &[FORMAT, 0, 1]] {
            let error = decode::<Registry>(&registry, broken).unwrap_err();
            assert_eq!(error.table, Some(Table::Registry));
        }
    }

    #[test]
    fn a_registry_that_was_written_before_devices_could_leave_is_read() {
        let key = key::registry(&UserId::new("alice").unwrap());
        let seen = Registration { registered_at: 5, last_seen: 300 };
        let devices = BTreeMap::from([(DeviceId::new("phone").unwrap(), seen)]);
        let old = write(&Cell::Live((7u64, devices.clone())));
        let read = decode::<Registry>(&key, &old).unwrap().unwrap();
        assert_eq!(read, Registry { version: 7, devices, left: BTreeMap::new() });
        let gone = Left { changes: 2, at: 9 };
        let left = BTreeMap::from([(DeviceId::new("laptop").unwrap(), gone)]);
        let new = Registry { left, ..read };
        assert_eq!(decode(&key, &encode(&new)), Ok(Some(new)));
    }

    #[test]
    fn the_hash_tells_recipient_type_and_body_apart() {
        let same = said("bob", "hi").hash();
        assert_eq!(same, said("bob", "hi").hash());
        assert_ne!(same, said("carol", "hi").hash());
        assert_ne!(same, said("bob", "hi!").hash());
        let kind = ContentType::new("text/html").unwrap();
        assert_ne!(same, Archived { kind, ..said("bob", "hi") }.hash());
    }
}
