//! Keys: byte strings that sort as what they name. The first byte is the table, so that one ordered
//! map holds all of them and a scan never leaves its table by accident.
//!
//! Names hold no zero byte, so a name ends with one; ids and conversations have 16 bytes.

use chatcluster_protocol::{
    Millis,
    id::{ConversationId, DeviceId, MessageId, Reference, UserId},
};

/// A key; see [`Table`] for the shapes.
pub type Key = Vec<u8>;

/// The tables. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// (conversation, id) to [`crate::record::Archived`].
    Archive = 1,
    /// (id) to its conversation: all messages by time.
    Index = 2,
    /// (user, conversation) to the highest id in it: a user's conversations. For a group the value says
    /// nothing; [`Self::Group`] knows who takes part.
    Participation = 3,
    /// (sender, device, reference) to [`crate::record::ReferenceRecord`].
    Reference = 4,
    /// (sender, device, conversation) to the highest id stored (rule 9).
    Order = 5,
    /// (id) to its conversation, while its inboxes are not filled yet (rule 11).
    FanOut = 6,
    /// (user) to [`crate::record::Registry`].
    Registry = 7,
    /// (user, device, id) to [`crate::record::InboxEntry`]: what a device is still owed.
    Inbox = 8,
    /// (user, device, receipt id) to [`crate::record::Mark`]: receipts that a device is still owed.
    Receipt = 9,
    /// (receiver, conversation, sender) to [`crate::record::Delivered`].
    Delivered = 10,
    /// (sender, device, conversation) to the highest id that took the place of a lower one (rule 9).
    Moved = 11,
    /// (user, device, version of the registry without it) to [`crate::record::Departure`], while something
    /// of the device is left.
    Departure = 12,
    /// (user) or (user, device) to [`crate::record::Revoked`]: which tokens are not accepted any more.
    Revocation = 13,
    /// (time, user) or (time, user, device) to [`crate::record::Revoked`]: the same, in the order in which
    /// it happened, for those that have sessions. Kept for an hour.
    RevocationFeed = 14,
    /// (user, conversation) to [`crate::record::Told`]: how far a user has read, and the receipt that says so.
    ReadMark = 15,
    /// (group) to [`crate::group::Group`].
    Group = 16,
    /// (user) to [`crate::record::Privacy`].
    Privacy = 17,
    /// One record, a [`crate::roster::Roster`]: the replicas whose word counts.
    Roster = 18,
}

impl Table {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::Archive,
        Self::Index,
        Self::Participation,
        Self::Reference,
        Self::Order,
        Self::FanOut,
        Self::Registry,
        Self::Inbox,
        Self::Receipt,
        Self::Delivered,
        Self::Moved,
        Self::Departure,
        Self::Revocation,
        Self::RevocationFeed,
        Self::ReadMark,
        Self::Group,
        Self::Privacy,
        Self::Roster,
    ];

    /// The table of a key.
    pub fn of(key: &[u8]) -> Option<Self> {
        let tag = *key.first()?;
        Self::ALL.into_iter().find(|table| *table as u8 == tag)
    }
}

fn key(table: Table, names: &[&str], ids: &[[u8; 16]]) -> Key {
    let length = names.iter().map(|name| name.len() + 1).sum::<usize>() + 16 * ids.len();
    let mut key = Vec::with_capacity(1 + length);
    key.push(table as u8);
    for name in names {
        key.extend_from_slice(name.as_bytes());
        key.push(0);
    }
    for id in ids {
        key.extend_from_slice(id);
    }
    key
}

/// A message in its conversation.
pub fn archive(conversation: ConversationId, id: MessageId) -> Key {
    key(Table::Archive, &[], &[conversation.to_bytes(), id.to_bytes()])
}

/// Where a position of [`Ids`] is in a conversation.
pub fn archive_at(conversation: ConversationId, position: u128) -> Key {
    key(Table::Archive, &[], &[conversation.to_bytes(), position.to_be_bytes()])
}

/// A message among all.
pub fn index(id: MessageId) -> Key {
    index_at(u128::from_be_bytes(id.to_bytes()))
}

/// Where a position of [`Ids`] is among all messages.
pub fn index_at(position: u128) -> Key {
    key(Table::Index, &[], &[position.to_be_bytes()])
}

/// A user's part in a conversation.
pub fn participation(user: &UserId, conversation: ConversationId) -> Key {
    key(Table::Participation, &[user.as_str()], &[conversation.to_bytes()])
}

/// All conversations of a user start with this.
pub fn participations(user: &UserId) -> Key {
    key(Table::Participation, &[user.as_str()], &[])
}

/// What a client's reference stands for.
pub fn reference(sender: &UserId, device: &DeviceId, reference: &Reference) -> Key {
    key(Table::Reference, &[sender.as_str(), device.as_str(), reference.as_str()], &[])
}

/// Whose reference a key is, and which.
pub fn reference_of(key: &[u8]) -> Option<(UserId, DeviceId, Reference)> {
    let mut names = names(key);
    let user = UserId::new(names.next()?).ok()?;
    let device = DeviceId::new(names.next()?).ok()?;
    Some((user, device, Reference::new(names.next()?).ok()?))
}

/// How far a device has sent in a conversation.
pub fn order(sender: &UserId, device: &DeviceId, conversation: ConversationId) -> Key {
    key(Table::Order, &[sender.as_str(), device.as_str()], &[conversation.to_bytes()])
}

/// How far a device's messages in a conversation have moved up from ids that they were pending under.
pub fn moved(sender: &UserId, device: &DeviceId, conversation: ConversationId) -> Key {
    key(Table::Moved, &[sender.as_str(), device.as_str()], &[conversation.to_bytes()])
}

/// A message whose inboxes are not filled yet.
pub fn fan_out(id: MessageId) -> Key {
    key(Table::FanOut, &[], &[id.to_bytes()])
}

/// A user's devices.
pub fn registry(user: &UserId) -> Key {
    key(Table::Registry, &[user.as_str()], &[])
}

/// A device that left its user's registry with this version. Versions only rise, so a device that
/// leaves twice has two keys, and what was removed under one stays removed.
pub fn departure(user: &UserId, device: &DeviceId, version: u64) -> Key {
    key(Table::Departure, &[user.as_str(), device.as_str()], &[u128::from(version).to_be_bytes()])
}

/// All departures of a device start with this.
pub fn departures(user: &UserId, device: &DeviceId) -> Key {
    key(Table::Departure, &[user.as_str(), device.as_str()], &[])
}

/// Which tokens of a user, or of one device, are not accepted any more.
pub fn revocation(user: &UserId, device: Option<&DeviceId>) -> Key {
    key(Table::Revocation, &revoked(user, device), &[])
}

/// A revocation among those of all users.
pub fn revocation_at(at: Millis, user: &UserId, device: Option<&DeviceId>) -> Key {
    let mut key = revocations_since(at);
    for name in revoked(user, device) {
        key.extend_from_slice(name.as_bytes());
        key.push(0);
    }
    key
}

/// The first revocation at this time or later.
pub fn revocations_since(at: Millis) -> Key {
    let mut key = vec![Table::RevocationFeed as u8];
    key.extend_from_slice(&at.to_be_bytes());
    key
}

/// Who a key of the feed is about.
pub fn revoked_of(key: &[u8]) -> Option<(UserId, Option<DeviceId>)> {
    // As if the time were the table.
    let mut names = names(key.get(8..)?).filter(|name| !name.is_empty());
    let user = UserId::new(names.next()?).ok()?;
    Some((user, names.next().map(DeviceId::new).transpose().ok()?))
}

fn revoked<'a>(user: &'a UserId, device: Option<&'a DeviceId>) -> Vec<&'a str> {
    [Some(user.as_str()), device.map(DeviceId::as_str)].into_iter().flatten().collect()
}

/// A message in the inbox of a device.
pub fn inbox(user: &UserId, device: &DeviceId, id: MessageId) -> Key {
    key(Table::Inbox, &[user.as_str(), device.as_str()], &[id.to_bytes()])
}

/// All entries of a device's inbox start with this.
pub fn inboxes(user: &UserId, device: &DeviceId) -> Key {
    key(Table::Inbox, &[user.as_str(), device.as_str()], &[])
}

/// A receipt in the inbox of a device.
pub fn receipt(user: &UserId, device: &DeviceId, id: MessageId) -> Key {
    key(Table::Receipt, &[user.as_str(), device.as_str()], &[id.to_bytes()])
}

/// All receipts of a device start with this.
pub fn receipts(user: &UserId, device: &DeviceId) -> Key {
    key(Table::Receipt, &[user.as_str(), device.as_str()], &[])
}

/// How far `receiver` has received what `sender` sent in a conversation.
pub fn delivered(receiver: &UserId, conversation: ConversationId, sender: &UserId) -> Key {
    // The sender's name last and unterminated would do; one shape for all is easier to read.
    let mut key = key(Table::Delivered, &[receiver.as_str()], &[conversation.to_bytes()]);
    key.extend_from_slice(sender.as_str().as_bytes());
    key
}

/// All that a user has received starts with this.
pub fn delivered_to(receiver: &UserId) -> Key {
    key(Table::Delivered, &[receiver.as_str()], &[])
}

/// How far a user has read a conversation.
pub fn read_mark(user: &UserId, conversation: ConversationId) -> Key {
    key(Table::ReadMark, &[user.as_str()], &[conversation.to_bytes()])
}

/// Who may see what of a user.
pub fn privacy(user: &UserId) -> Key {
    key(Table::Privacy, &[user.as_str()], &[])
}

/// The replicas whose word counts.
pub fn roster() -> Key {
    vec![Table::Roster as u8]
}

/// Who takes part in a group, named by its conversation. Of one of two users there is no such record.
pub fn group(group: impl Into<ConversationId>) -> Key {
    key(Table::Group, &[], &[group.into().to_bytes()])
}

/// The user at the start of a key.
pub fn user_of(key: &[u8]) -> Option<UserId> {
    UserId::new(names(key).next()?).ok()
}

/// The user's device at the start of a key.
pub fn device_of(key: &[u8]) -> Option<(UserId, DeviceId)> {
    let mut names = names(key);
    Some((UserId::new(names.next()?).ok()?, DeviceId::new(names.next()?).ok()?))
}

/// What a key has between zero bytes: names first, then ids, which may be anything.
fn names(key: &[u8]) -> impl Iterator<Item = &str> {
    let names = key.get(1..).unwrap_or_default().split(|byte| *byte == 0);
    names.map_while(|name| std::str::from_utf8(name).ok())
}

/// The message id at the end of a key.
pub fn id_of(key: &[u8]) -> Option<MessageId> {
    MessageId::from_bytes(*key.last_chunk::<16>()?).ok()
}

/// The conversation of a message in the archive.
pub fn archived_in(key: &[u8]) -> Option<ConversationId> {
    Some(ConversationId::from_bytes(*key.get(1..)?.first_chunk::<16>()?))
}

/// The conversation at the end of a key.
pub fn conversation_of(key: &[u8]) -> Option<ConversationId> {
    Some(ConversationId::from_bytes(*key.last_chunk::<16>()?))
}

/// Just behind `key`: above it and below every other key that is above it.
pub fn behind(key: &[u8]) -> Key {
    [key, &[0]].concat()
}

/// Behind every key that starts with `prefix`. No prefix of ours ends in a byte of 255.
pub fn end_of(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// A range of message ids as numbers, the lower bound inside and the upper one outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The lowest.
    pub from: u128,
    /// Behind the highest.
    pub to: u128,
}

/// Bounds of ids, in the words of those who ask. All that are given must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Below this id.
    pub before: Option<MessageId>,
    /// Above this id.
    pub after: Option<MessageId>,
    /// Of this time or later.
    pub since: Option<Millis>,
    /// Before this time.
    pub until: Option<Millis>,
}

impl From<Bounds> for Ids {
    fn from(Bounds { before, after, since, until }: Bounds) -> Self {
        let below = [before, until.map(MessageId::floor)].into_iter().flatten();
        let ids = below.fold(Self::ALL, Self::below);
        let ids = after.map_or(ids, |id| ids.above(id));
        since.map_or(ids, |at| ids.at_least(MessageId::floor(at)))
    }
}

impl Ids {
    /// Every id.
    pub const ALL: Self = Self { from: 0, to: u128::MAX };

    /// Without `id` and what is below it.
    #[must_use]
    pub fn above(self, id: MessageId) -> Self {
        Self { from: self.from.max(number(id).saturating_add(1)), ..self }
    }

    /// From `id` on.
    #[must_use]
    pub fn at_least(self, id: MessageId) -> Self {
        Self { from: self.from.max(number(id)), ..self }
    }

    /// Without `id` and what is above it.
    #[must_use]
    pub fn below(self, id: MessageId) -> Self {
        Self { to: self.to.min(number(id)), ..self }
    }

    /// Without what is above `id`.
    #[must_use]
    pub fn at_most(self, id: MessageId) -> Self {
        Self { to: self.to.min(number(id).saturating_add(1)), ..self }
    }

    /// What is inside of both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// Whether an id is inside.
    pub fn contains(self, id: MessageId) -> bool {
        (self.from..self.to).contains(&number(id))
    }

    /// Nothing is inside.
    pub const fn is_empty(self) -> bool {
        self.from >= self.to
    }
}

fn number(id: MessageId) -> u128 {
    u128::from_be_bytes(id.to_bytes())
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::{Identity, Stamp};
    use proptest::prelude::*;

    use super::*;

    fn id(millis: u64, counter: u16) -> MessageId {
        let name = |n| UserId::new(n).unwrap();
        let identity =
            Identity::of(&name("u"), &DeviceId::new("d").unwrap(), &Reference::new("r").unwrap());
        MessageId::new(Stamp::new(millis, counter), identity)
    }

    proptest! {
        #[test]
        fn keys_sort_as_what_they_name(
            a in ("[a-c@.+]{1,4}", "[a-c:-]{1,3}", 0u64..4, 0u16..3),
            b in ("[a-c@.+]{1,4}", "[a-c:-]{1,3}", 0u64..4, 0u16..3),
        ) {
            let parts = |(user, device, millis, counter): (String, String, u64, u16)| {
                (UserId::new(user).unwrap(), DeviceId::new(device).unwrap(), id(millis, counter))
            };
            let (a, b) = (parts(a), parts(b));
            let (key_a, key_b) = (inbox(&a.0, &a.1, a.2), inbox(&b.0, &b.1, b.2));
            prop_assert_eq!(a.cmp(&b), key_a.cmp(&key_b));
            prop_assert_eq!(id_of(&key_a), Some(a.2));
            prop_assert_eq!(user_of(&key_a), Some(a.0.clone()));
            prop_assert_eq!(device_of(&key_a), Some((a.0.clone(), a.1.clone())));
            prop_assert_eq!(Table::of(&key_a), Some(Table::Inbox));
            // A scan of one device sees that device alone.
            let prefix = inboxes(&b.0, &b.1);
            let inside = key_a >= prefix && key_a < end_of(&prefix);
            prop_assert_eq!(inside, (&a.0, &a.1) == (&b.0, &b.1));
        }
    }

    #[test]
    fn revocations_sort_by_time_and_say_whose_they_are() {
        let (alice, phone) = (UserId::new("alice").unwrap(), DeviceId::new("phone").unwrap());
        let all = revocation_at(256, &alice, None);
        let one = revocation_at(257, &alice, Some(&phone));
        assert!(revocations_since(256) < all && all < revocations_since(257));
        assert!(revocations_since(257) < one && one < revocations_since(258));
        assert_eq!(revoked_of(&all), Some((alice.clone(), None)));
        assert_eq!(revoked_of(&one), Some((alice, Some(phone))));
    }

    #[test]
    fn ranges_of_ids_have_exact_ends() {
        let (low, high) = (id(5, 0), id(5, 1));
        let inside = |range: Ids, id| (range.from..range.to).contains(&number(id));
        assert!(inside(Ids::ALL, low));
        assert!(!inside(Ids::ALL.above(low), low) && inside(Ids::ALL.above(low), high));
        assert!(inside(Ids::ALL.below(high), low) && !inside(Ids::ALL.below(high), high));
        assert!(Ids::ALL.above(low).below(low).is_empty());
        assert!(!Ids::ALL.at_least(low).below(high).is_empty());
    }
}
