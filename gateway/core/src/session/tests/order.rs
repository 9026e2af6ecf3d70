//! A pipelining client, its wire, and a message service that fails, in random orders: what a
//! conversation stores rises in the order sent (P3).

use std::collections::{BTreeMap, VecDeque};

use chatcluster_protocol::id::ConversationId;
use proptest::prelude::*;

use super::{
    sends::{send, with},
    *,
};
use crate::{Now, Rate};

const NAMES: [&str; 2] = ["alice", "carol"];

/// The client learns of everything before a gateway stops waiting for it.
const LONGEST: Duration = Duration::from_secs(40);

/// What the client has without an answer at most: it does not count, so it breaks the limit of 64.
const UNANSWERED: usize = 128;

#[derive(Debug, Clone)]
enum Step {
    /// The client sends: what it knows to have failed in the conversation, or something new.
    Send { to: usize, count: usize },
    /// The gateway reads from the wire.
    Read(usize),
    /// The client learns of answers.
    Learn(usize),
    /// The service answers a batch.
    Answer { to: usize, fates: Vec<u8> },
    /// Milliseconds pass.
    Wait(u64),
    /// The wall clock jumps; the monotonic one stands still.
    ClockJumps(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..NAMES.len(), 1usize..40).prop_map(|(to, count)| Step::Send { to, count }),
        4 => (1usize..40).prop_map(Step::Read),
        3 => (1usize..40).prop_map(Step::Learn),
        3 => (0..NAMES.len(), prop::collection::vec(0u8..40, 8))
            .prop_map(|(to, fates)| Step::Answer { to, fates }),
        2 => (0u64..1_000).prop_map(Step::Wait),
        1 => (-5_000i64..5_000).prop_map(Step::ClockJumps),
    ]
}

/// A send of the client, which stays until it has its `sent`.
#[derive(Debug)]
struct Unanswered {
    number: u64,
    to: usize,
    failed: bool,
}

struct World {
    bob: Bob,
    started: Duration,
    wall: i64,
    numbers: u64,
    requests: u64,
    read: usize,
    answers: usize,
    unanswered: Vec<Unanswered>,
    up: VecDeque<String>,
    down: VecDeque<ServerFrame>,
    under_way: BTreeMap<ConversationId, Vec<Append>>,
    stored: BTreeMap<ConversationId, Vec<(MessageId, u64)>>,
}

impl World {
    fn new(sends: Rate) -> Self {
        let mut bob = Bob::live();
        bob.rates = Rates::new(sends, Rate::NONE);
        Self {
            started: bob.now,
            bob,
            wall: 0,
            numbers: 0,
            requests: 0,
            read: 0,
            answers: 0,
            unanswered: Vec::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            under_way: BTreeMap::new(),
            stored: BTreeMap::new(),
        }
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Send { to, count } => self.send(to, count),
            Step::Read(count) => {
                for frame in self.up.drain(..count.min(self.up.len())).collect::<Vec<_>>() {
                    self.read += 1;
                    self.handle(Input::Frame(decode(&frame)));
                }
            }
            Step::Learn(count) => {
                for frame in self.down.drain(..count.min(self.down.len())).collect::<Vec<_>>() {
                    self.learn(&frame);
                }
            }
            Step::Answer { to, fates } => self.answer(with(NAMES[to]), &fates),
            Step::Wait(millis) => {
                let now = self.bob.now + Duration::from_millis(millis);
                self.bob.now = now.min(self.started + LONGEST);
            }
            Step::ClockJumps(by) => self.wall = (self.wall + by).max(0),
        }
    }

    /// The rule of the protocol: what failed goes again in order, and before anything new.
    fn send(&mut self, to: usize, count: usize) {
        let mut failed: Vec<_> =
            self.unanswered.iter_mut().filter(|send| send.to == to && send.failed).collect();
        let numbers: Vec<_> = if failed.is_empty() {
            let room = UNANSWERED - self.unanswered.len();
            let fresh = self.numbers..self.numbers + count.min(room) as u64;
            self.numbers = fresh.end;
            let new = |number| Unanswered { number, to, failed: false };
            self.unanswered.extend(fresh.clone().map(new));
            fresh.collect()
        } else {
            failed.iter_mut().for_each(|send| send.failed = false);
            failed.iter().map(|send| send.number).collect()
        };
        for number in numbers {
            self.up.push_back(send(self.requests, &number.to_string(), NAMES[to], "a"));
            self.requests += 1;
        }
    }

    fn learn(&mut self, frame: &ServerFrame) {
        let (reference, failed) = match frame {
            ServerFrame::Sent(sent) => (sent.reference.clone(), false),
            ServerFrame::Error(error) => (error.reference.clone().unwrap(), true),
            other => panic!("{other:?}"),
        };
        let number: u64 = reference.as_str().parse().unwrap();
        let place = self.unanswered.iter().position(|send| send.number == number).unwrap();
        if failed {
            self.unanswered[place].failed = true;
        } else {
            self.unanswered.remove(place);
        }
    }

    /// The service keeps the order, as replicas do: it refuses what is not above its highest, and after
    /// a failure all that follows in the batch.
    fn answer(&mut self, conversation: ConversationId, fates: &[u8]) {
        let Some(batch) = self.under_way.remove(&conversation) else { return };
        let stored = self.stored.entry(conversation).or_default();
        let mut failed = false;
        let results = batch.iter().zip(fates.iter().cycle()).map(|(append, fate)| {
            let highest = stored.last().map_or(MessageId::MIN, |(id, _)| *id);
            let result = match fate {
                _ if failed || append.id <= highest => AppendResult::OutOfOrder { highest },
                0 => AppendResult::Unavailable,
                1 => AppendResult::TooOld,
                _ => {
                    stored.push((append.id, append.send.reference.as_str().parse().unwrap()));
                    AppendResult::Stored { id: append.id, devices: vec![] }
                }
            };
            failed |= !matches!(result, AppendResult::Stored { .. });
            result
        });
        let results = results.collect();
        self.handle(Input::Appended(conversation, Ok(results)));
    }

    fn handle(&mut self, input: Input) {
        let now = Now { wall: at(self.bob.now).wall + self.wall as u64, ..at(self.bob.now) };
        let env = env(
            self.bob.now,
            &self.bob.own,
            &mut self.bob.clock,
            &mut self.bob.rates,
            &mut self.bob.effects,
        );
        self.bob.session.handle(input, &mut Env { now, ..env });
        for effect in self.bob.effects() {
            match effect {
                Effect::Append { conversation, appends } => {
                    assert!(appends.windows(2).all(|pair| pair[0].id < pair[1].id));
                    let before = self.under_way.insert(conversation, appends);
                    assert!(before.is_none(), "two batches under way");
                }
                Effect::Write(_) => {
                    self.answers += 1;
                    self.down.extend(frame(&effect));
                }
                _ => {}
            }
        }
        assert_eq!(self.answers + self.bob.session.outbox.waiting(), self.read);
        for stored in self.stored.values() {
            let ordered =
                |pair: &[(MessageId, u64)]| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1;
            assert!(stored.windows(2).all(ordered), "{stored:?}");
        }
    }

    /// Everything works from now on: all is stored, though too little time passes for a wait to end.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.bob.now += Duration::from_millis(500);
            for to in 0..NAMES.len() {
                self.act(Step::Send { to, count: 0 });
                self.act(Step::Read(usize::MAX));
            }
            while !self.under_way.is_empty() {
                (0..NAMES.len()).for_each(|to| self.act(Step::Answer { to, fates: vec![9] }));
            }
            self.act(Step::Learn(usize::MAX));
        }
        assert!(self.unanswered.is_empty(), "{:?}", self.unanswered);
        let stored: usize = self.stored.values().map(Vec::len).sum();
        assert_eq!(stored as u64, self.numbers);
    }
}

proptest! {
    #[test]
    fn what_a_conversation_stores_rises_in_the_order_sent(
        limited: bool,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let rate = Rate { per_second: 40, burst: 20 };
        let mut world = World::new(if limited { rate } else { Rate::NONE });
        steps.into_iter().for_each(|step| world.act(step));
        world.settle();
    }
}
