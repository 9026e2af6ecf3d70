//! What is asked of a replica, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::{
    Millis,
    id::{ConversationId, DeviceId, GroupId, MessageId, UserId},
};

use crate::{
    group::Group,
    key::Key,
    record::{Archived, InboxEntry, MarkKind, Moved, Privacy, Registry, Told},
    replica::Identity,
    repository::{Acknowledge, MarkRead},
};

/// Units that are applied in order, in one transaction. After a unit that was refused because of its
/// id, the later ones are refused alike: they come after it in the sender's order. So do those behind one
/// that comes again at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch(pub Vec<Unit>);

/// Parts that are applied in order until one stops. What was applied before it stays: that is what
/// the pending fan-out record is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit(pub Vec<Part>);

/// One step on one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Archive, reference, order mark and pending fan-out of a message, on its home island. Repeating
    /// it while the reference is pending under this id changes nothing, and the unit goes on.
    Home {
        /// The id that the gateway stamped.
        id: MessageId,
        /// The message.
        message: Archived,
        /// What this id is to the message.
        claim: Claim,
        /// What was read of the group that it goes to.
        group: Option<Basis>,
    },
    /// How far a device's messages in a conversation have moved up, as a majority knows: a replica that
    /// missed it learns it, and takes nothing below it for complete that is to be superseded.
    Follow {
        /// The sender.
        user: UserId,
        /// Their device.
        device: DeviceId,
        /// Where.
        conversation: ConversationId,
        /// How far.
        known: Moved,
    },
    /// The message into all inboxes that it is for, those of the sender's other devices included, or into
    /// none of them. Where there are several replicas, repeating it changes nothing; a single one keeps no
    /// tombstones, so what has been acknowledged meanwhile would come back.
    Deliver {
        /// The message's id.
        id: MessageId,
        /// Where the body is.
        conversation: ConversationId,
        /// Who gets the receipts.
        from: UserId,
        /// Whose inboxes.
        to: Vec<Inboxes>,
    },
    /// The inboxes are filled: the reference is complete, the fan-out no longer pending.
    Complete {
        /// The id under which it is pending here.
        id: MessageId,
        /// The id under which it was stored: another one where this copy lost against it.
        stored: MessageId,
        /// The message.
        message: Archived,
        /// Whose inboxes have it, under the id that it was stored under.
        devices: Vec<(UserId, DeviceId)>,
    },
    /// A device is here: it is known from now on.
    Register {
        /// The user.
        user: UserId,
        /// The device.
        device: DeviceId,
        /// What a majority knows of the user's devices: a replica that missed something learns it, and
        /// goes on from there. `None` where one replica is the quorum and knows by itself.
        known: Option<Registry>,
        /// Also where it was not known before, by a token that was issued then and is not revoked.
        issued: Option<Millis>,
    },
    /// What a majority knows of a user's devices: a replica that has missed something learns it.
    Learn {
        /// The user.
        user: UserId,
        /// Their devices.
        known: Registry,
    },
    /// What a majority knows of a group: a replica that has missed something learns it.
    LearnGroup {
        /// Which.
        group: GroupId,
        /// Who takes part.
        known: Group,
    },
    /// A device is no longer known, and what it is owed is no longer owed. Repeating it does no harm.
    Unregister {
        /// The user.
        user: UserId,
        /// The device.
        device: DeviceId,
        /// As in `Register`.
        known: Option<Registry>,
        /// Only if it has not been seen at this time or later.
        unseen_since: Option<Millis>,
    },
    /// Tokens are not accepted any more. Repeating it changes nothing.
    Revoke {
        /// Whose.
        user: UserId,
        /// Of this device alone.
        device: Option<DeviceId>,
        /// If they were issued before this.
        before: Millis,
    },
    /// Removes what is of no use any more: revocations from the feed, and fan-outs that nobody can finish.
    Forget(Vec<Key>),
    /// Removes what is left of a device that is no longer known.
    Clear {
        /// The user.
        user: UserId,
        /// The device.
        device: DeviceId,
        /// Of its inbox and receipts, of what its user has received, and in the end its departures.
        keys: Vec<Key>,
    },
    /// A device has kept messages and receipts.
    Acknowledge {
        /// What the device says.
        acknowledge: Acknowledge,
        /// What of it is there, as a majority knows: a replica that missed an entry must have its
        /// tombstone all the same. `None` where one replica is the quorum and knows by itself.
        there: Option<There>,
    },
    /// A user has read a conversation. Repeating it tells again those who have not acknowledged it.
    MarkRead {
        /// Who, and how far: an id of the conversation.
        mark: MarkRead,
        /// Who else takes part in the conversation.
        others: Vec<UserId>,
        /// How far it was before, as a majority knows; a replica that has missed that learns it.
        known: Option<Told>,
    },
    /// What other replicas have: each row is joined with what is here, as reads join them.
    Join(Vec<(Key, Vec<u8>)>),
    /// Rows that are not to be here, where they still are what they were, without a tombstone: those that are to be
    /// forgotten, and those of a joining replica that no other one has.
    Erase {
        /// The rows.
        rows: Vec<(Key, Vec<u8>)>,
        /// Only while this replica is joining.
        joining: Option<Identity>,
    },
    /// A user sets what others may see. A later setting that is there already stays.
    SetPrivacy {
        /// The user.
        user: UserId,
        /// The setting.
        privacy: Privacy,
    },
}

/// What an id is to a message that is stored under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The first one, as far as is known, or the one that it is pending under.
    First,
    /// It takes the place of another one that the message is pending under and that did not reach a quorum, or
    /// complete, below an earlier message of the device that has moved up.
    Supersedes,
    /// The one that it is pending under. It is only to be finished, and no device is told: what of the device has
    /// moved up above it does not matter.
    Finishes,
}

/// The group that a message was allowed for, and that its recipients were read of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// [`Group::digest`] of it. A replica that knows another one refuses the message.
    pub digest: [u8; 16],
    /// What the message makes of it, where it is a change.
    pub next: Option<Box<Group>>,
}

/// The inboxes of a user's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inboxes {
    /// The user.
    pub user: UserId,
    /// The devices.
    pub devices: Vec<DeviceId>,
    /// The version of the registry that named them (rule 12).
    pub version: u64,
}

impl Part {
    /// How far a message's device has moved up in its conversation.
    pub(crate) fn follow(message: &Archived, known: Moved) -> Self {
        Self::Follow {
            user: message.from.clone(),
            device: message.device.clone(),
            conversation: message.conversation(),
            known,
        }
    }
}

impl Batch {
    /// Of one part alone.
    pub(crate) fn of(part: Part) -> Self {
        Self(vec![Unit(vec![part])])
    }

    /// About how many bytes it takes to hold this, for queues that are bounded by size.
    pub fn size(&self) -> usize {
        /// Names, ids and the parts themselves.
        const PART: usize = 1024;
        /// An id in a list.
        const ID: usize = 64;
        let part = |part: &Part| match part {
            Part::Home { message, group, .. } => {
                let next = group.as_ref().and_then(|basis| basis.next.as_ref());
                PART + message.body.as_str().len() + next.map_or(0, |group| group.size())
            }
            Part::Complete { message, .. } => PART + message.body.as_str().len(),
            Part::LearnGroup { known, .. } => PART + known.size(),
            Part::Acknowledge { acknowledge, .. } => {
                PART + ID * (acknowledge.messages.len() + acknowledge.receipts.len())
            }
            Part::Forget(keys) | Part::Clear { keys, .. } => {
                PART + keys.iter().map(|key| ID + key.len()).sum::<usize>()
            }
            Part::Join(rows) | Part::Erase { rows, .. } => {
                PART + rows.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
            }
            Part::Deliver { to, .. } => {
                PART + ID * to.iter().map(|to| to.devices.len()).sum::<usize>()
            }
            Part::Revoke { .. }
            | Part::Follow { .. }
            | Part::Register { .. }
            | Part::Learn { .. }
            | Part::MarkRead { .. }
            | Part::SetPrivacy { .. }
            | Part::Unregister { .. } => PART,
        };
        self.0.iter().flat_map(|unit| &unit.0).map(part).sum()
    }
}

/// Acknowledged things that are in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct There {
    /// Messages.
    pub messages: BTreeMap<MessageId, InboxEntry>,
    /// Receipts.
    pub receipts: BTreeSet<MessageId>,
}

/// What a unit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitReply {
    /// One for each part that was applied.
    pub effects: Vec<Effect>,
    /// Why the unit ended before its end, if it did.
    pub stop: Option<Stop>,
}

/// What an applied part tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing but that it was applied.
    Applied,
    /// `Home`: the message moved up here from another id, of its own accord. What follows it has to know.
    Moved,
    /// `Register`: whether the device is new.
    Registered {
        /// It was not known before.
        created: bool,
    },
    /// `Acknowledge` and `MarkRead`: the marks that were placed.
    Marked(Vec<MarkPlaced>),
}

/// A receipt that was put into inboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkPlaced {
    /// The receipt's id.
    pub receipt: MessageId,
    /// Who is told.
    pub to: UserId,
    /// On which devices.
    pub devices: Vec<DeviceId>,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Who has received or read.
    pub peer: UserId,
    /// What happened.
    pub kind: MarkKind,
    /// The highest id that it is true of.
    pub up_to: MessageId,
}

/// Why a part was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The reference is complete: the message is stored under this id, in these inboxes.
    Complete(MessageId, Vec<(UserId, DeviceId)>),
    /// The reference is pending under this other id: append again under it.
    Pending(MessageId),
    /// An earlier unit of the batch is pending under another id, or its group is not the one that was read:
    /// append again behind it.
    Held,
    /// The reference was used for other content.
    Conflict,
    /// The device has sent a higher id in the conversation (rule 9).
    OutOfOrder(MessageId),
    /// The id is older than the window (rule 10).
    TooOld,
    /// The id is further ahead than the window.
    TooNew,
    /// The registry has a newer version than the one named (rule 12).
    StaleRegistry,
    /// The group is not the one that was read.
    StaleGroup,
    /// The user has as many devices as one may have.
    TooManyDevices,
    /// The user has no such device.
    UnknownDevice,
    /// The device is not known, and tokens that were issued before this make it known no more.
    Revoked(Millis),
    /// Something is left of a device of this name that has left.
    Departing,
    /// The device is known, and in use.
    InUse,
    /// The replica votes by now.
    Votes,
    /// A record could not be read; for people.
    Failed(String),
}

impl Stop {
    /// The stop of all later units, where this one has one for them. Had they been stored, the
    /// message that this unit is about would come after them in the end, against the sender's order.
    pub(super) fn holds_for_later(&self) -> Option<Self> {
        match self {
            Self::OutOfOrder(_) | Self::TooOld | Self::TooNew | Self::Failed(_) => {
                Some(self.clone())
            }
            // A replica that has learnt what a change made of the group refuses the change by the group that
            // was read before it; what comes behind the change goes by the one that the replica has.
            // What is complete here may have to follow an earlier message that has moved up elsewhere.
            Self::Complete(..) | Self::Pending(_) | Self::StaleGroup | Self::Held => {
                Some(Self::Held)
            }
            _ => None,
        }
    }
}
