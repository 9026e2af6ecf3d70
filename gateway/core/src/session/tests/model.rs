//! A session against a model of an inbox, in random orders of everything that can happen.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    push::Key,
    session::window,
    testing::{id, message},
};

#[derive(Debug, Clone)]
enum Step {
    /// Messages are stored, and routed here unless the delivery is lost.
    Arrive {
        count: u8,
        delivered: bool,
    },
    /// A copy of an earlier message is stored and routed here.
    Copy(u8),
    /// A gateway whose confirmation was lost delivers an earlier message again.
    Redeliver(u8),
    /// The page that was asked for comes, as the inbox was then or is now; or it does not come.
    Page {
        fresh: bool,
        size: u8,
    },
    PageFails,
    /// The client acknowledges some of what it has.
    Ack(u8),
    /// The call with acks is answered; a call that fails may have worked.
    Acked {
        works: bool,
        answered: bool,
    },
    ReadAgain,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..100, prop::bool::weighted(0.9))
            .prop_map(|(count, delivered)| Step::Arrive { count, delivered }),
        2 => any::<u8>().prop_map(Step::Copy),
        1 => any::<u8>().prop_map(Step::Redeliver),
        6 => (any::<bool>(), 1u8..=100).prop_map(|(fresh, size)| Step::Page { fresh, size }),
        1 => Just(Step::PageFails),
        5 => (1u8..120).prop_map(Step::Ack),
        4 => (any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(works, answered)| Step::Acked { works: works || answered, answered }),
        1 => Just(Step::ReadAgain),
        1 => (1u16..3_000).prop_map(Step::Wait),
    ]
}

/// The message service, the client, and what must be true between them.
struct World {
    bob: Bob,
    stored: Vec<Push>,
    inbox: BTreeMap<MessageId, Push>,
    /// Cursor and contents of the read under way.
    reading: Option<(Option<MessageId>, Vec<Push>)>,
    acking: Option<Vec<MessageId>>,
    /// Everything whose delivery was tried, or that a read began after.
    promised: BTreeSet<Key>,
    pushed: BTreeSet<Key>,
    /// The client has it and has not acknowledged it.
    unacked: Vec<Push>,
    acked: BTreeMap<Key, Duration>,
    caught_up: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            bob: Bob::welcomed(),
            stored: Vec::new(),
            inbox: BTreeMap::new(),
            reading: Some((None, Vec::new())),
            acking: None,
            promised: BTreeSet::new(),
            pushed: BTreeSet::new(),
            unacked: Vec::new(),
            acked: BTreeMap::new(),
            caught_up: 0,
        };
        world.look();
        world
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Arrive { count, delivered } => {
                for _ in 0..count {
                    let n = self.stored.len() as u64;
                    self.arrive(message(id(&n.to_string(), n)), delivered);
                }
            }
            Step::Copy(which) => {
                let Some(twin) = self.pick(which) else { return };
                let n = self.stored.len() as u64;
                let stamp = id("x", n).stamp();
                self.arrive(message(MessageId::new(stamp, twin.id.identity())), true);
            }
            Step::Redeliver(which) => {
                let Some(push) = self.pick(which) else { return };
                // Deliveries are repeated within seconds; later the session may have forgotten.
                let acked = self.acked.get(&push.key());
                if acked.is_none_or(|at| *at + Duration::from_secs(9) > self.bob.now) {
                    self.bob.deliver(&push);
                }
            }
            Step::Page { fresh, size } => self.page(fresh, size),
            Step::PageFails => {
                if self.reading.take().is_some() {
                    self.bob.handle(Input::Inbox(Err(Away)));
                }
            }
            Step::Ack(count) => {
                let count = usize::from(count).min(self.unacked.len());
                let acks: Vec<_> = self.unacked.drain(..count).collect();
                self.acked.extend(acks.iter().map(|push| (push.key(), self.bob.now)));
                self.bob.acks(&acks);
            }
            Step::Acked { works, answered } => {
                let Some(ids) = self.acking.take() else { return };
                if works {
                    ids.iter().for_each(|id| drop(self.inbox.remove(id)));
                }
                let result = if answered { Ok(()) } else { Err(Away) };
                self.bob.handle(Input::Acknowledged(result));
            }
            Step::ReadAgain => self.bob.handle(Input::ReadAgain),
            Step::Wait(millis) => {
                self.bob.handle(Input::Heard);
                self.bob.wait(Duration::from_millis(millis.into()));
            }
        }
        self.look();
    }

    fn arrive(&mut self, push: Push, delivered: bool) {
        self.stored.push(push.clone());
        self.inbox.insert(push.id, push.clone());
        if delivered {
            self.promised.insert(push.key());
            assert!(matches!(self.bob.deliver(&push), Outcome::Queued | Outcome::Overloaded));
            self.look();
        }
    }

    fn page(&mut self, fresh: bool, size: u8) {
        let Some((cursor, then)) = self.reading.take() else { return };
        let all = if fresh { self.after(cursor) } else { then };
        let entries: Vec<_> = all.iter().take(size.into()).cloned().collect();
        let more = all.len() > entries.len();
        let next = entries.last().filter(|_| more).map(|last| last.id.to_bytes().to_vec().into());
        self.bob.handle(Input::Inbox(Ok(InboxPage { entries, next })));
    }

    fn after(&self, cursor: Option<MessageId>) -> Vec<Push> {
        let rest = self.inbox.values().filter(|push| cursor.is_none_or(|at| push.id > at));
        rest.cloned().collect()
    }

    fn pick(&self, which: u8) -> Option<Push> {
        let count = self.stored.len().max(1);
        self.stored.get(usize::from(which) % count).cloned()
    }

    /// Takes the session's effects and checks what must always be true.
    fn look(&mut self) {
        for effect in self.bob.effects() {
            match &effect {
                Effect::ReadInbox { cursor, .. } => {
                    let cursor = cursor.as_ref().map(|bytes| bytes[..].try_into().unwrap());
                    let cursor = cursor.map(|bytes| MessageId::from_bytes(bytes).unwrap());
                    if cursor.is_none() {
                        // A pass begins: it owes everything that is there.
                        self.promised.extend(self.inbox.values().map(Push::key));
                    }
                    let before = self.reading.replace((cursor, self.after(cursor)));
                    assert!(before.is_none(), "two reads at a time");
                }
                Effect::Acknowledge { messages, .. } => {
                    let before = self.acking.replace(messages.clone());
                    assert!(before.is_none(), "two calls with acks at a time");
                }
                Effect::Write(text) => self.written(text),
                other => assert!(matches!(other, Effect::Ping), "{other:?}"),
            }
        }
        if self.bob.session.phase() == Phase::Live {
            self.assert_promises();
        }
    }

    fn written(&mut self, text: &[u8]) {
        match serde_json::from_slice(text).unwrap() {
            ServerFrame::Message(pushed) => {
                let push = message(pushed.message);
                let key = push.key();
                assert!(self.pushed.insert(key), "pushed twice, acked: {:?}", self.acked.get(&key));
                self.unacked.push(push);
                assert!(self.unacked.len() <= window::ENTRIES, "the window was passed");
            }
            ServerFrame::CaughtUp => {
                self.caught_up += 1;
                self.assert_promises();
            }
            other => panic!("{other:?}"),
        }
    }

    fn assert_promises(&self) {
        let missing: Vec<_> = self.promised.difference(&self.pushed).collect();
        assert!(missing.is_empty(), "caught up without {missing:?}");
    }

    /// Everything works from now on: the inbox drains to its end.
    fn settle(&mut self) {
        self.act(Step::ReadAgain);
        for _ in 0..2_000 {
            let quiet = self.bob.session.phase() == Phase::Live
                && self.reading.is_none()
                && self.acking.is_none()
                && self.unacked.is_empty()
                && self.bob.session.acks.as_ref().is_none_or(|acks| acks.settled());
            if quiet {
                break;
            }
            self.act(Step::Page { fresh: true, size: 100 });
            self.act(Step::Ack(120));
            self.act(Step::Acked { works: true, answered: true });
            self.act(Step::Wait(1_000));
        }
        assert_eq!(self.caught_up, 1);
        let left: Vec<_> = self.inbox.keys().collect();
        assert!(left.is_empty(), "left in the inbox: {left:?}");
        let stored: BTreeSet<_> = self.stored.iter().map(Push::key).collect();
        assert_eq!(stored, self.pushed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn everything_is_pushed_once_before_caught_up_and_acknowledged_with_all_copies(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.act(step));
        world.settle();
    }
}
