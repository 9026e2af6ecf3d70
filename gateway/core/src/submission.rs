//! A message that a backend sends: stamped, appended, stamped again where its id was refused (rules 7 to 9).
//!
//! Nothing of it outlives the request that brought it: a backend that has no answer sends it again, to any
//! gateway. What a backend sends after it had an answer has a higher id, whichever gateway it asks: the message
//! service knows the highest of the user's backends in each conversation, and says so.

use std::sync::Arc;

use chatcluster_protocol::{
    Millis,
    client::{Content, Recipient},
    id::{ConversationId, DeviceId, HybridClock, MessageId, Reference, UserId},
};

use crate::{
    Away, Device, Push,
    session::{Append, AppendResult, Floor, Outgoing, group_full},
};

/// How often a message is stamped. Each time the service has named the id to exceed; in between, another
/// request of the same user to the same one may have come first, also at another gateway.
const STAMPS: u8 = 16;

/// A message on its way.
#[derive(Debug)]
pub struct Submission {
    send: Arc<Outgoing>,
    floor: Floor,
    stamps: u8,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Append it at the message service. Answered by [`Submission::settle`].
    Append(Append),
    /// It is stored: route it to these devices, and answer.
    Stored {
        /// The answer.
        stored: Stored,
        /// What is shown.
        push: Push,
        /// In whose inboxes it is.
        devices: Vec<Device>,
    },
    /// It is not, or may not be.
    Refused(Refused),
}

/// A message is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub message: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
}

/// A message is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The user takes no part in the group, or may not change it so; the text says which.
    Forbidden(String),
    /// The reference was used for other content.
    Conflict,
    /// Nothing is known of the outcome: send the same reference again.
    Unavailable,
}

impl Submission {
    /// A message of a user, which has the name that no client's device may have.
    pub fn new(from: UserId, reference: Reference, to: Recipient, content: Content) -> Self {
        let sender = Device { user: from, device: DeviceId::backend() };
        let send = Arc::new(Outgoing { sender, reference, to, content });
        Self { send, floor: Floor::new(), stamps: 0 }
    }

    /// The first append, or the next.
    pub fn stamp(&mut self, clock: &mut HybridClock, wall: Millis) -> Append {
        self.stamps += 1;
        self.send.stamp(&mut self.floor, clock, wall)
    }

    /// Takes the answer to the append.
    pub fn settle(
        &mut self,
        result: Result<AppendResult, Away>,
        clock: &mut HybridClock,
        wall: Millis,
    ) -> Step {
        match result {
            Ok(AppendResult::Stored { id: message, devices }) => {
                let stored = Stored { message, conversation: self.send.conversation() };
                Step::Stored { stored, push: self.send.push(message), devices }
            }
            Ok(AppendResult::Conflict) => Step::Refused(Refused::Conflict),
            Ok(AppendResult::Forbidden(text)) => Step::Refused(Refused::Forbidden(text)),
            Ok(AppendResult::GroupFull) => Step::Refused(Refused::Forbidden(group_full())),
            Ok(AppendResult::OutOfOrder { highest }) if self.stamps < STAMPS => {
                self.floor.must_exceed(highest);
                Step::Append(self.stamp(clock, wall))
            }
            Ok(AppendResult::TooOld) if self.stamps < STAMPS => {
                Step::Append(self.stamp(clock, wall))
            }
            Ok(
                AppendResult::OutOfOrder { .. }
                | AppendResult::TooOld
                | AppendResult::TooNew
                | AppendResult::Unavailable,
            )
            | Err(Away) => Step::Refused(Refused::Unavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{device, user};

    const NOW: Millis = 1_700_000_000_000;

    struct World(Submission, HybridClock);

    impl World {
        fn new() -> Self {
            let (reference, to) = (Reference::new("r-1").unwrap(), Recipient::User(user("bob")));
            let content = Content::text("hi").unwrap();
            let submission = Submission::new(user("alice"), reference, to, content);
            Self(submission, HybridClock::default())
        }

        fn append(&mut self) -> Append {
            self.0.stamp(&mut self.1, NOW)
        }

        fn settle(&mut self, result: Result<AppendResult, Away>) -> Step {
            self.0.settle(result, &mut self.1, NOW)
        }

        fn again(&mut self, result: AppendResult) -> Append {
            match self.settle(Ok(result)) {
                Step::Append(append) => append,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn it_is_of_the_users_backends_and_goes_to_the_devices_that_have_it() {
        let mut w = World::new();
        let append = w.append();
        assert_eq!(append.send.sender, device("alice", "backend"));
        let devices = vec![device("bob", "phone"), device("alice", "phone")];
        let result = AppendResult::Stored { id: append.id, devices: devices.clone() };
        let Step::Stored { stored, push, devices: to } = w.settle(Ok(result)) else { panic!() };
        let conversation = ConversationId::between(&user("alice"), &user("bob"));
        assert_eq!(stored, Stored { message: append.id, conversation });
        assert_eq!((push.id, to), (append.id, devices));
        let shown: serde_json::Value = serde_json::from_slice(&push.frame).unwrap();
        assert_eq!((&shown["from"], &shown["device"]), (&"alice".into(), &"backend".into()));
    }

    #[test]
    fn it_has_the_id_under_which_its_reference_was_stored_first() {
        let mut w = World::new();
        w.append();
        let id = MessageId::floor(NOW - 5_000);
        let Step::Stored { stored, push, .. } =
            w.settle(Ok(AppendResult::Stored { id, devices: vec![] }))
        else {
            panic!()
        };
        assert_eq!((stored.message, push.id), (id, id));
    }

    #[test]
    fn it_is_stamped_again_above_what_has_come_before_it() {
        let mut w = World::new();
        let first = w.append();
        let highest = MessageId::floor(NOW + 3_000);
        let second = w.again(AppendResult::OutOfOrder { highest });
        assert!(first.id < highest && highest < second.id);
        assert_eq!(second.send, first.send);
        let third = w.again(AppendResult::TooOld);
        assert!(second.id < third.id);
    }

    #[test]
    fn it_is_not_stamped_for_ever() {
        let mut w = World::new();
        w.append();
        for _ in 1..STAMPS {
            w.again(AppendResult::OutOfOrder { highest: MessageId::floor(NOW) });
        }
        let last = w.settle(Ok(AppendResult::TooOld));
        assert_eq!(last, Step::Refused(Refused::Unavailable));
    }

    #[test]
    fn what_fails_is_told() {
        for (result, refused) in [
            (Ok(AppendResult::Conflict), Refused::Conflict),
            (Ok(AppendResult::Forbidden("no".into())), Refused::Forbidden("no".into())),
            (Ok(AppendResult::TooNew), Refused::Unavailable),
            (Ok(AppendResult::Unavailable), Refused::Unavailable),
            (Err(Away), Refused::Unavailable),
        ] {
            let mut w = World::new();
            w.append();
            assert_eq!(w.settle(result), Step::Refused(refused));
        }
    }
}
