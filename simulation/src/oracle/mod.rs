//! What must be true, and what has happened that it follows from.
//!
//! - [`stored`]: P1 when a message is stored, P4 whenever an entry leaves an inbox
//! - [`alike`]: that replicas become alike
//! - [`audit`]: now and then, what a read of an inbox gives against what replicas have
//! - [`inboxes`]: what is in each inbox, as replicas have it
//! - [`groups`]: who certainly takes part in the group, and who certainly does not
//! - [`heard`]: P2, P3 and what clients are told, as they are told
//! - [`leaving`]: removed devices and revoked tokens
//! - [`marks`]: what users have read, and who is told
//! - [`receipts`]: who is told how many have received and read a message
//! - [`typing`]: who is shown that somebody is typing, and when
//! - [`presence`]: who is told that somebody is online, and that everybody knows it in the end
//! - [`prompt`]: in worlds in which little goes wrong, that nothing waits for minutes
//! - [`finals`]: routes and fresh messages once all is healed; and in the end everything

mod alike;
mod audit;
mod finals;
mod groups;
mod heard;
mod inboxes;
mod leaving;
mod marks;
mod presence;
mod prompt;
mod receipts;
mod stored;
mod typing;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chatcluster_protocol::{
    Millis,
    client::{Content, Recipient},
    id::{ConversationId, Identity, MessageId, Reference, UserId},
};
use gateway_core::Device;
use marks::Reading;
pub(crate) use presence::KNOWN;

use crate::{clock::Time, world::World};

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which one.
    pub promise: &'static str,
    /// What happened instead.
    pub what: String,
    /// When.
    pub at: Time,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.promise, self.at as f64 / 1e6, self.what)
    }
}

/// What has happened.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) violation: Option<Violation>,
    messages: Vec<Written>,
    by_reference: BTreeMap<(usize, Reference), usize>,
    by_identity: BTreeMap<Identity, usize>,
    /// When each device is known to have been registered at the latest.
    registered: BTreeMap<Device, Time>,
    /// What each device has acknowledged.
    acknowledged: BTreeMap<usize, BTreeSet<Identity>>,
    /// Each device's messages in each conversation, in the order written.
    order: BTreeMap<(usize, ConversationId), Vec<usize>>,
    /// The receipts of each device: of whom, in which conversation, up to where, and when it was placed.
    told: BTreeMap<(usize, ConversationId, UserId), BTreeMap<MessageId, Time>>,
    /// What each user has read of each conversation.
    reading: BTreeMap<(UserId, ConversationId), Reading>,
    /// How far each device was told that somebody has read.
    told_read: BTreeMap<(usize, ConversationId, UserId), MessageId>,
    inboxes: inboxes::Inboxes,
    differences: alike::Differences,
    /// The number of each device.
    numbers: BTreeMap<Device, usize>,
    /// When each receipt was placed.
    placed: BTreeMap<MessageId, Time>,
    /// When a gateway was last told who types to whom.
    typed: BTreeMap<(UserId, UserId), Time>,
    /// Messages that were sent when all was healed.
    fresh: Vec<usize>,
    /// Those that a gateway was told to be stored, in the order in which it was.
    stored: Vec<usize>,
    /// The time in the highest id that a client was told.
    latest: Millis,
    /// What backends have asked for and not given up.
    pub(crate) orders: usize,
    leaving: leaving::Leaving,
    presence: presence::Presence,
    group: groups::Group,
}

/// Who writes what to whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) by: usize,
    pub(crate) from: &'a Device,
    pub(crate) reference: &'a Reference,
    pub(crate) to: &'a Recipient,
}

/// A message that somebody wrote.
#[derive(Debug, Clone)]
struct Written {
    /// The device.
    by: usize,
    from: Device,
    to: Recipient,
    /// When it was written.
    at: Time,
    /// What it says, where that is a change of the group.
    change: Option<Content>,
    reference: Reference,
    identity: Identity,
    conversation: ConversationId,
    /// The devices that were registered when it came to a first replica (when it was written, until
    /// then): of the recipient, and others of the sender.
    owed: Vec<Device>,
    /// It has come to a first replica.
    archived: bool,
    /// It was refused for good, after an attempt that may have been stored in part, or may be stored later, such
    /// as by a gateway that was paused: no place among others is promised.
    refused: bool,
    /// The highest id that the writing device had seen.
    seen: Option<MessageId>,
    /// Since when it is stored, as far as a gateway was told.
    stored: Option<Time>,
    /// The id that the client was told.
    id: Option<MessageId>,
    /// Its reference was used for something else later.
    forged: bool,
}

impl Oracle {
    /// Nothing has happened yet to these devices and replicas.
    pub(crate) fn new<'a>(devices: impl Iterator<Item = &'a Device>, replicas: usize) -> Self {
        let numbers = devices.cloned().zip(0..).collect();
        Self { numbers, inboxes: inboxes::Inboxes::new(replicas), ..Self::default() }
    }

    /// How many messages were written.
    pub(crate) fn sends(&self) -> u64 {
        self.messages.len() as u64
    }

    /// The message service knows a device.
    pub(crate) fn registered(&mut self, now: Time, device: &Device) {
        self.registered.entry(device.clone()).or_insert(now);
    }

    /// Somebody writes a message. Says which number it has.
    pub(crate) fn written(
        &mut self,
        now: Time,
        Writing { by, from, reference, to }: Writing<'_>,
        change: Option<Content>,
        seen: Option<MessageId>,
    ) -> usize {
        let number = self.messages.len();
        let conversation = to.conversation(&from.user);
        let owed = self.registered_for(from, to);
        self.by_reference.insert((by, reference.clone()), number);
        let identity = Identity::of(&from.user, &from.device, reference);
        self.by_identity.insert(identity, number);
        self.order.entry((by, conversation)).or_default().push(number);
        self.messages.push(Written {
            by,
            from: from.clone(),
            to: to.clone(),
            at: now,
            change,
            reference: reference.clone(),
            identity,
            conversation,
            owed,
            archived: false,
            refused: false,
            seen,
            stored: None,
            id: None,
            forged: false,
        });
        number
    }

    /// The devices that a message is for, of those that are known to be registered.
    fn registered_for(&self, from: &Device, to: &Recipient) -> Vec<Device> {
        let known = self.registered.keys();
        let theirs = |user: &UserId| match to {
            Recipient::User(to) => *user == *to || *user == from.user,
            Recipient::Group(_) => self.group.certainly_has(user),
        };
        known.filter(|device| theirs(&device.user) && *device != from).cloned().collect()
    }

    /// One of the references that a device has had an answer for, and to whom it was.
    pub(crate) fn any_sent(&self, device: usize) -> Option<(Reference, Recipient)> {
        let mut sent = self.messages.iter().rev();
        let direct = |message: &Written| !message.to.is_group();
        let last = sent.find(|one| one.by == device && one.id.is_some() && direct(one))?;
        Some((last.reference.clone(), last.to.clone()))
    }

    /// A device uses a reference once more, for something else.
    pub(crate) fn forged(&mut self, device: usize, reference: &Reference) {
        if let Some(number) = self.by_reference.get(&(device, reference.clone())) {
            self.messages[*number].forged = true;
        }
    }

    /// A device says that it has kept these.
    pub(crate) fn acknowledged(&mut self, device: usize, ids: &BTreeSet<MessageId>) {
        let kept = self.acknowledged.entry(device).or_default();
        kept.extend(ids.iter().map(|id| id.identity()));
    }

    fn has_acknowledged(&self, device: usize, identity: Identity) -> bool {
        self.acknowledged.get(&device).is_some_and(|kept| kept.contains(&identity))
    }

    /// Whether an entry is to have left the inbox of a device, which nothing but its acknowledgement removes.
    /// A copy under another id, of a write that was late, waits for a probe. So does an entry that such a write
    /// makes for somebody who was removed from the group meanwhile: whoever stores the message tells the others.
    fn is_to_have_left(&self, device: usize, home: &Device, id: MessageId) -> bool {
        let number = self.by_identity.get(&id.identity());
        let message = number.map(|number| &self.messages[*number]);
        let is_owed =
            message.is_some_and(|message| message.id == Some(id) && message.owed.contains(home));
        is_owed && self.has_acknowledged(device, id.identity())
    }

    fn identity(&self, number: usize) -> Identity {
        self.messages[number].identity
    }
}

impl World {
    pub(crate) fn violated(&mut self, promise: &'static str, what: String) {
        let at = self.now;
        crate::trace::trace!(self, "VIOLATION", "{promise}: {what}");
        self.oracle.violation.get_or_insert(Violation { promise, what, at });
    }

    /// What one replica alone took for a new message is shown by union, until the quorum refuses it.
    fn may_be_forged(&self, number: usize) -> bool {
        self.oracle.messages[number].forged && self.replicas.len() > 1
    }

    fn client_of(&self, device: &Device) -> Option<usize> {
        self.oracle.numbers.get(device).copied()
    }
}
