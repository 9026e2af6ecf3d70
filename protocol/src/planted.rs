//! Bugs that are planted on purpose, to see whether the simulation finds them. One is active at most, in
//! one thread, and only in a build with the feature `planted`; without it [`planted`] is `false` for the
//! compiler, and nothing of this is left.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])* $bug:ident = $rule:literal),* $(,)?) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[doc = $doc])* $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];

            /// The rule of the design that it breaks.
            pub const fn rule(self) -> u8 {
                match self { $(Self::$bug => $rule,)* }
            }
        }
    };
}

bugs! {
    /// What is revoked while a session opens is not for it.
    OpeningNotRevoked = 1,
    /// The list of revocations is read on from the time of the last look.
    LateRevocationSkipped = 1,
    /// A device is made known by a token that was revoked.
    RevokedMadeKnown = 1,
    /// A session is renewed by a token that was revoked.
    RefreshedByRevoked = 1,
    /// A lookup that is under way also serves what was stored after it began.
    LookupJoined = 1,
    /// A client is live with its welcome, and its inbox is not read.
    NoCatchUp = 1,
    /// A route is claimed again without reading the inbox.
    ReassertWithoutRead = 2,
    /// A lease that lapsed goes on under the same incarnation.
    IncarnationKept = 2,
    /// Other masters of a shard change nothing.
    ShardChangeIgnored = 2,
    /// A cached route that turned out to be wrong is kept, and not looked up again.
    WrongRouteKept = 3,
    /// The previous holder of a device is left alone.
    NobodyEvicted = 4,
    /// The previous holder is evicted before the new one's client is known to be there.
    EvictionUnproven = 4,
    /// A route is released whatever epoch it has.
    AnyEpochReleased = 4,
    /// What was sent over a link that broke counts as delivered.
    UnknownIsQueued = 5,
    /// A session without room drops what is delivered, and goes on.
    OverloadIgnored = 5,
    /// A session ends with pushes that were not acknowledged, and nobody looks for them.
    UnacknowledgedLost = 5,
    /// What a link brings late of somebody's typing is shown as if it were new.
    LateTypingShown = 5,
    /// A user is online by any route, also one whose lease has ended.
    LeaseIgnored = 5,
    /// Everybody sees when anybody is online.
    PrivacyNotAsked = 5,
    /// A session that was behind is not told later who is online.
    MissedPresenceLost = 5,
    /// No session is ever probed.
    NoProbes = 6,
    /// The loss of a gateway leads to no probe.
    LossUnprobed = 6,
    /// Sessions without a claim are probed as seldom as others.
    UnclaimedUnprobed = 6,
    /// What a client has seen does not bind the ids of what it sends.
    SeenIgnored = 7,
    /// Ids follow the wall clock, also backwards.
    ClockGoesBack = 7,
    /// A failed append is answered with `sent`.
    FailureIsSent = 8,
    /// A reference that is pending counts as complete.
    PendingIsComplete = 8,
    /// A reference that was used is used again for another message.
    ReferenceForgotten = 8,
    /// Other content under a used reference is taken for the same.
    ConflictIgnored = 8,
    /// A mark that failed is answered as if it were stored.
    FailureIsMarked = 8,
    /// After a failure later sends go on.
    LaterSendsGoOn = 9,
    /// A send that is refused by the rate limit holds nothing back.
    LimitedHoldsNothingBack = 9,
    /// A replica takes ids below the highest of the device.
    LowerIdTaken = 9,
    /// A message is completed under an id below that of an earlier one, which has moved up.
    OvertakenCompleted = 9,
    /// Appends of any age are taken.
    OldTaken = 10,
    /// A message whose inboxes are not filled is never finished.
    FanOutLeft = 11,
    /// A message is complete without its inboxes.
    InboxesLeftEmpty = 11,
    /// What waited for a device that is removed is left.
    RemovalLeavesInbox = 12,
    /// An append that names an old registry is taken.
    OldRegistryTaken = 12,
    /// A replica stores a message to a group that has changed since its recipients were read.
    OldGroupTaken = 12,
    /// Any member of a group may change it.
    AnyMemberChanges = 11,
    /// A write counts when one replica has it.
    OneReplicaWrites = 13,
    /// One replica's word is enough to read.
    OneReplicaReads = 13,
    /// A lower mark of how far a user has read takes the place of a higher one.
    LowerMarkTaken = 13,
    /// Whoever has received or read anything is told to have all of it.
    AnyMarkReaches = 13,
    /// A removal loses against a value.
    RemovalLoses = 13,
    /// A message is put into an inbox again after its removal.
    RemovalForgotten = 13,
    /// What is on one replica and absent on the others is taken for removed.
    AbsentIsRemoved = 13,
    /// A tombstone is forgotten without a word of the third replica.
    ForgottenEarly = 13,
    /// A tombstone is forgotten at once.
    ForgottenYoung = 13,
    /// A replica is believed while it is filled.
    JoiningVotes = 15,
    /// A replica is let in before it is filled.
    FilledAtOnce = 15,
    /// A replica is let in though a part of the map could not be given to it.
    FilledInPart = 15,
    /// A replica answers before it has synced.
    AnswerBeforeSync = 16,
    /// A merged page ends at the largest last key of the truncated ones.
    PageEndsLate = 17,
    /// The buffer of live pushes overflows without another pass.
    OverflowForgotten = 18,
    /// `caught_up` follows the welcome.
    CaughtUpAtOnce = 18,
    /// The next page of an inbox skips an entry.
    CursorSkips = 18,
    /// A push counts as acknowledged.
    PushIsAck = 19,
    /// An acknowledgement that failed is forgotten.
    FailedAckForgotten = 19,
}

#[cfg(feature = "planted")]
mod active {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static ACTIVE: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, in place of the one before.
    pub fn plant(bug: Option<Bug>) {
        ACTIVE.set(bug);
    }

    /// Whether this bug is planted here.
    pub fn planted(bug: Bug) -> bool {
        ACTIVE.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub use active::{plant, planted};

/// Whether this bug is planted here: never, in a build without the feature.
#[cfg(not(feature = "planted"))]
pub const fn planted(_: Bug) -> bool {
    false
}
