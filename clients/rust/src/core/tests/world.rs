//! A lossy world: connections end at any point, answers get lost, sends fail, messages are stored and
//! pushed twice. Afterwards all is well for long enough, and the promises must hold.

use std::collections::{BTreeMap, HashMap, HashSet};

use chatcluster_protocol::{
    client::{CloseCode, Error, ErrorCode, Marked, Message, Read},
    id::{ConversationId, Identity, Stamp, UserId},
};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// The application sends to one of three people.
    Send(usize),
    /// The gateway reads the next frame; a send may fail, and then all that follow it until it comes
    /// again.
    Read { fails: bool },
    /// The gateway's next frame arrives.
    Arrive,
    /// Somebody writes to this device; perhaps the store keeps two copies.
    Incoming { twice: bool },
    /// The gateway pushes the inbox again, as after its own probe.
    PushAgain,
    /// The application takes the next event.
    Take,
    /// The person has read one of two conversations up to the message of this number.
    ReadUpTo(usize, u64),
    /// The connection ends.
    End(usize),
    /// Time passes, in milliseconds.
    Pass(u64),
}

const ENDS: [CloseCode; 4] =
    [CloseCode::Draining, CloseCode::Overloaded, CloseCode::SlowConsumer, CloseCode::RouteLost];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..3).prop_map(Step::Send),
        8 => prop::bool::weighted(0.15).prop_map(|fails| Step::Read { fails }),
        8 => Just(Step::Arrive),
        3 => prop::bool::weighted(0.3).prop_map(|twice| Step::Incoming { twice }),
        1 => Just(Step::PushAgain),
        6 => Just(Step::Take),
        2 => (0usize..2, 1u64..40).prop_map(|(of, up_to)| Step::ReadUpTo(of, up_to)),
        1 => (0usize..ENDS.len()).prop_map(Step::End),
        4 => (1u64..3_000).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

/// The core, its application, the network and the servers.
struct World {
    core: Core,
    now: Duration,
    /// On the connection that is open now; `None` without one.
    wire: Option<Wire>,
    /// Stored sends: reference to id, and per recipient the references in the order of their storing.
    stored: HashMap<Reference, MessageId>,
    order: BTreeMap<String, Vec<Reference>>,
    inbox: Vec<MessageId>,
    clock: u64,
    sent: Vec<(Reference, String)>,
    answered: Vec<Reference>,
    shown: Vec<Identity>,
    taken: HashSet<Identity>,
    arrived: HashSet<Identity>,
    /// How far two conversations were read, and how far the gateway knows.
    read: [u64; 2],
    marked: [u64; 2],
}

#[derive(Default)]
struct Wire {
    up: VecDeque<ClientFrame>,
    down: VecDeque<ServerFrame>,
    /// Per recipient the send that failed and must come again before any other.
    failed: HashMap<String, Reference>,
}

impl World {
    fn new() -> Self {
        let mut core = Core::new(options(), 3);
        core.tick(Duration::ZERO);
        let mut world = Self {
            core,
            now: Duration::ZERO,
            wire: None,
            stored: HashMap::new(),
            order: BTreeMap::new(),
            inbox: Vec::new(),
            clock: 0,
            sent: Vec::new(),
            answered: Vec::new(),
            shown: Vec::new(),
            taken: HashSet::new(),
            arrived: HashSet::new(),
            read: [0; 2],
            marked: [0; 2],
        };
        world.settle();
        world
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send(to) => self.send(["bob", "carol", "dave"][*to]),
            Step::Read { fails } => self.read(*fails),
            Step::Arrive => {
                if let Some(frame) = self.wire.as_mut().and_then(|wire| wire.down.pop_front()) {
                    self.core.frame(self.now, frame);
                }
            }
            Step::Incoming { twice } => self.incoming(*twice),
            Step::PushAgain => self.push_inbox(),
            Step::Take => self.take(),
            Step::ReadUpTo(of, up_to) => {
                self.read[*of] = self.read[*of].max(*up_to);
                let conversation = ConversationId::from_bytes([*of as u8; 16]);
                self.core.read(conversation, MessageId::floor(*up_to));
            }
            Step::End(code) => {
                if self.wire.take().is_some() {
                    let code = ENDS[*code].code();
                    self.core.ended(self.now, Cause::Closed { code, reason: String::new() });
                }
            }
            Step::Pass(millis) => {
                self.now += Duration::from_millis(*millis);
                self.core.tick(self.now);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(effect) = self.core.poll_effect(self.now, true) {
            match effect {
                Effect::Dial(_) => {
                    self.wire = Some(Wire::default());
                    self.core.opened(self.now, "secret".into());
                }
                Effect::Write(text) => {
                    let wire = self.wire.as_mut().expect("written without a connection");
                    wire.up.push_back(super::read(&text));
                }
                Effect::Drop => self.wire = None,
                Effect::Answered(reference, result) => {
                    assert_eq!(self.stored.get(&reference), Some(&result.unwrap().message));
                    self.answered.push(reference);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, to: &str) {
        let reference = format!("r{}", self.sent.len());
        if self.core.has_room() {
            self.core.send(outgoing(&reference, to)).unwrap();
            self.sent.push((reference.parse().unwrap(), to.into()));
        }
    }

    fn next_id(&mut self, of: &Reference) -> MessageId {
        self.clock += 1;
        let sender: UserId = "anyone".parse().unwrap();
        let identity = Identity::of(&sender, &"phone".parse().unwrap(), of);
        MessageId::new(Stamp::new(self.clock, 0), identity)
    }

    fn answer(&mut self, frame: ServerFrame) {
        if let Some(wire) = &mut self.wire {
            wire.down.push_back(frame);
        }
    }

    fn read(&mut self, fails: bool) {
        let Some(frame) = self.wire.as_mut().and_then(|wire| wire.up.pop_front()) else { return };
        match frame {
            ClientFrame::Hello(hello) => {
                self.answer(welcome(&hello, Limits { sends_in_flight: 4, ..Limits::default() }));
                self.push_inbox();
                self.answer(ServerFrame::CaughtUp);
            }
            ClientFrame::Send(send) => self.read_send(&send, fails),
            ClientFrame::Read(read) => self.read_mark(&read, fails),
            ClientFrame::Ack(ack) => self.inbox.retain(|id| {
                let acked = ack.messages.contains(id);
                assert!(!acked || self.taken.contains(&id.identity()), "acknowledged untaken");
                !acked
            }),
            ClientFrame::Typing(typing) => panic!("nobody types {typing:?}"),
            ClientFrame::Presence(_) | ClientFrame::Privacy(_) => {
                panic!("nobody watches {frame:?}")
            }
            ClientFrame::Ping(_)
            | ClientFrame::History(_)
            | ClientFrame::Group(_)
            | ClientFrame::Receipts(_)
            | ClientFrame::Refresh(_) => {}
        }
    }

    fn store(&mut self, send: &Send) {
        let Recipient::User(to) = &send.to else { panic!("there are no groups here") };
        let message = match self.stored.get(&send.reference) {
            Some(message) => *message,
            None => {
                let message = self.next_id(&send.reference);
                self.stored.insert(send.reference.clone(), message);
                self.order.entry(to.to_string()).or_default().push(send.reference.clone());
                message
            }
        };
        self.answer(ServerFrame::Sent(Sent {
            id: send.id,
            reference: send.reference.clone(),
            message,
            conversation: ConversationId::from_bytes([0; 16]),
            at: message.millis(),
        }));
    }

    fn read_mark(&mut self, read: &Read, fails: bool) {
        let Read { id, conversation, up_to } = *read;
        if fails {
            let error = Error::new(ErrorCode::Unavailable, "away");
            return self.answer(ServerFrame::Error(Error { id: Some(id), ..error }));
        }
        let marked = &mut self.marked[usize::from(conversation.to_bytes()[0])];
        *marked = up_to.millis().max(*marked);
        self.answer(ServerFrame::Marked(Marked { id, conversation, up_to }));
    }

    /// Without this rule of the gateway a send that was on its way when another failed would overtake
    /// it, whatever the client did.
    fn read_send(&mut self, send: &Send, fails: bool) {
        let Recipient::User(to) = &send.to else { panic!("there are no groups here") };
        let wire = self.wire.as_mut().expect("a frame was read from it");
        let failed = wire.failed.get(to.as_str());
        if fails || failed.is_some_and(|failed| *failed != send.reference) {
            wire.failed.entry(to.to_string()).or_insert_with(|| send.reference.clone());
            return self.answer(ServerFrame::Error(Error {
                id: Some(send.id),
                reference: Some(send.reference.clone()),
                ..Error::new(ErrorCode::Unavailable, "away")
            }));
        }
        wire.failed.remove(to.as_str());
        self.store(send);
    }

    fn incoming(&mut self, twice: bool) {
        let reference: Reference = format!("in{}", self.clock).parse().unwrap();
        for _ in 0..=usize::from(twice) {
            let id = self.next_id(&reference);
            self.arrived.insert(id.identity());
            self.inbox.push(id);
            self.push(id);
        }
    }

    fn push_inbox(&mut self) {
        for id in self.inbox.clone() {
            self.push(id);
        }
    }

    fn push(&mut self, id: MessageId) {
        let user = |name: &str| name.parse::<UserId>().unwrap();
        self.answer(ServerFrame::Message(Message {
            message: id,
            conversation: ConversationId::between(&user("alice"), &user("bob")),
            from: user("bob"),
            device: "phone".parse().unwrap(),
            to: Recipient::User(user("alice")),
            at: id.millis(),
            content: Content::text("hi").unwrap(),
        }));
    }

    fn take(&mut self) {
        if let Some(Event::Message(message)) = self.core.poll_event() {
            let identity = message.message.identity();
            assert!(!self.shown.contains(&identity), "shown twice");
            self.shown.push(identity);
            self.taken.insert(identity);
            self.core.take(Taken::Message(message.message));
        }
    }

    /// All is well for a minute; nothing is lost any more.
    fn calm(&mut self) {
        for _ in 0..600 {
            self.step(&Step::Pass(100));
            for _ in 0..20 {
                self.step(&Step::Read { fails: false });
                self.step(&Step::Arrive);
                self.step(&Step::Take);
            }
        }
        self.step(&Step::PushAgain);
        for _ in 0..500 {
            self.step(&Step::Arrive);
            self.step(&Step::Take);
            self.step(&Step::Read { fails: false });
        }
    }

    fn check(&self) {
        let unique: HashSet<_> = self.answered.iter().collect();
        assert_eq!(unique.len(), self.answered.len(), "a send was answered twice");
        assert_eq!(unique.len(), self.sent.len(), "a send was never answered");
        for (to, order) in &self.order {
            let of =
                |(reference, whom): &(Reference, String)| (whom == to).then(|| reference.clone());
            let wanted: Vec<_> = self.sent.iter().filter_map(of).collect();
            assert_eq!(order, &wanted, "stored out of order");
        }
        let shown: HashSet<_> = self.shown.iter().copied().collect();
        assert_eq!(shown, self.arrived, "a message was never shown");
        assert_eq!(self.inbox, [], "a message was never acknowledged");
        assert_eq!(self.marked, self.read, "a mark was lost");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_send_arrives_once_and_in_order_and_every_message_is_shown_once(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.calm();
        world.check();
    }
}
