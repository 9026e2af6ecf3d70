//! A session of a gateway under any sequence of frames, answers and events.
//!
//! Whatever the client sends, in whatever order the services answer, and whenever the socket goes:
//! - what is written is a frame of the protocol, and nothing is written once the session closes
//! - `sent` is said of what was stored, and no more is pushed without an acknowledgement than the window holds
//! - what is asked for is bounded, and once the socket is gone and everything is answered the session ends

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chatcluster_protocol::{
    client::{
        self, Content, GroupMember, GroupName, GroupRequest, GroupState, HistoryPage,
        MemberReceipt, Message, Receipts, Recipient, Role, ServerFrame,
    },
    id::{ConversationId, DeviceId, HybridClock, Identity, MessageId, Reference, Stamp, UserId},
    limits::{HISTORIES_IN_FLIGHT, READS_IN_FLIGHT, SENDS_IN_FLIGHT, SERVER_FRAME},
};
use gateway_core::{
    Away, ConnectionId, Device, Gateway, Incarnation, Now, Push, Rate, Rates, Route, Session,
    session::{
        AppendResult, Claimed, Effect, Env, HistoryFailure, InboxPage, Input as Told, MarkFailure,
        Phase, Reclaimed, Registration, Touched, Verdict,
    },
};
use uuid::Uuid;

use crate::input::Input;

const START: u64 = 1_700_000_000_000;
const HEARTBEAT: Duration = Duration::from_secs(25);

/// Most pushes without an acknowledgement.
const WINDOW: usize = 256;

/// Most calls that a session may have under way: what the client may ask for, and one of each of its own.
const CALLS: usize = SENDS_IN_FLIGHT + HISTORIES_IN_FLIGHT + READS_IN_FLIGHT + 8;

/// Steps of one input. Longer ones find nothing that these do not.
const STEPS: usize = 2_000;

/// Plays an input.
///
/// # Panics
/// When something does not hold.
pub fn session(data: &[u8]) {
    let (mut world, mut input) = (World::new(), Input::new(data));
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.end();
}

/// So few that inputs meet it.
fn rate(burst: u32) -> Rate {
    Rate { per_second: 10, burst }
}

struct World {
    session: Session,
    clock: HybridClock,
    rates: Rates,
    own: [Incarnation; 1],
    now: Duration,
    /// What the session has asked for and has no answer.
    asked: Vec<Effect>,
    stored: BTreeSet<Reference>,
    /// What the client was pushed and has not acknowledged.
    pushed: BTreeMap<MessageId, bool>,
    messages: u64,
    closing: bool,
}

impl World {
    fn new() -> Self {
        let now = Duration::from_secs(1000);
        Self {
            session: Session::new(ConnectionId(7), Uuid::nil(), at(now)),
            clock: HybridClock::default(),
            rates: Rates::new(rate(20), rate(5)),
            own: [Incarnation(Uuid::from_u128(1))],
            now,
            asked: Vec::new(),
            stored: BTreeSet::new(),
            pushed: BTreeMap::new(),
            messages: 0,
            closing: false,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 => self.client_says(&template(input)),
            1 => self.client_says(&String::from_utf8_lossy(input.bytes())),
            2 | 3 => self.acknowledge(input),
            4..=7 => self.answer(input),
            8 => self.pass(Duration::from_millis(1 << input.below(18))),
            9 | 10 => self.deliver(input),
            11 => self.tell(Told::Pong),
            12 => self.tell(Told::ReadAgain),
            13 => self.tell(Told::Heard),
            14 => self.event(input),
            _ => self.greet(input),
        }
    }

    /// `hello`, and on with it for as many answers as there are, as if all went well.
    fn greet(&mut self, input: &mut Input<'_>) {
        self.client_says(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
        for _ in 0..input.below(6) {
            let Some(asked) = (!self.asked.is_empty()).then(|| self.asked.remove(0)) else {
                return;
            };
            if let Some(answer) = self.good(asked, input) {
                self.tell(answer);
            }
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        let after = Duration::from_millis(u64::from(input.byte()) * 16);
        let event = match input.below(9) {
            0 => Told::Reassert,
            1 => Told::Evict(u64::from(input.byte())),
            7 => Told::Disconnect(u64::from(input.byte())),
            2 => Told::Revoked(START + 1000 * u64::from(input.byte())),
            3 => Told::Removed,
            4 => Told::Drain(after),
            5 => Told::DrainNow(after),
            6 => Told::Closed,
            _ => Told::Tick,
        };
        self.tell(event);
    }

    fn client_says(&mut self, text: &str) {
        self.tell(Told::Frame(client::decode(text)));
    }

    fn acknowledge(&mut self, input: &mut Input<'_>) {
        let mut ids = (Vec::new(), Vec::new());
        let count = input.below(64).min(self.pushed.len());
        for (id, receipt) in self.pushed.iter().take(count) {
            if *receipt { &mut ids.1 } else { &mut ids.0 }.push(id.to_string());
        }
        self.pushed = self
            .pushed
            .split_off(&self.pushed.keys().nth(count).copied().unwrap_or(MessageId::MAX));
        let ack = serde_json::json!({"type": "ack", "messages": ids.0, "receipts": ids.1});
        self.client_says(&ack.to_string());
    }

    fn deliver(&mut self, input: &mut Input<'_>) {
        let push = self.push(input.below(8) == 0);
        let epoch = u64::from(input.byte());
        let mut effects = Vec::new();
        self.session.deliver(
            epoch,
            push,
            &mut env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut effects),
        );
        self.take(effects);
    }

    fn push(&mut self, receipt: bool) -> Push {
        self.messages += 1;
        let id = id(self.messages);
        let conversation = ConversationId::between(&user("alice"), &user("bob"));
        if receipt {
            let kind = client::ReceiptKind::Read;
            let user = user("alice");
            return Push::receipt(client::Receipt {
                receipt: id,
                kind,
                conversation,
                user,
                up_to: id,
                at: 0,
            });
        }
        Push::message(message(id))
    }

    /// Answers one of the calls.
    fn answer(&mut self, input: &mut Input<'_>) {
        if self.asked.is_empty() {
            return;
        }
        let asked = self.asked.remove(input.below(self.asked.len()));
        let answer = if input.below(4) == 0 { away(asked) } else { self.good(asked, input) };
        if let Some(answer) = answer {
            self.tell(answer);
        }
    }

    fn good(&mut self, asked: Effect, input: &mut Input<'_>) -> Option<Told> {
        Some(match asked {
            Effect::Verify { .. } => Told::Verified(match input.below(8) {
                1 => Verdict::Expired,
                2 => Verdict::Bad("no".into()),
                3 => Verdict::Valid { user: user("eve"), expires: None, issued: None },
                seconds => Verdict::Valid {
                    user: user("bob"),
                    expires: Some(START + 1_000_000 + 60_000 * seconds as u64),
                    issued: Some(START + 1_000_000),
                },
            }),
            Effect::Register { .. } => Told::Registered(Ok(match input.below(4) {
                1 => Registration::TooManyDevices,
                2 => Registration::New,
                _ => Registration::Known,
            })),
            Effect::Claim { .. } => Told::Claimed(Ok(Claimed {
                epoch: u64::from(input.byte()),
                previous: previous(input),
            })),
            Effect::Reclaim { epoch, .. } => Told::Reclaimed(Ok(match input.below(3) {
                1 => Reclaimed::Replaced(route(epoch + 1)),
                _ => Reclaimed::Claimed(Claimed { epoch, previous: previous(input) }),
            })),
            Effect::Touch { epoch, .. } => Told::Touched(Ok(match input.below(4) {
                1 => Touched::Gone,
                2 => Touched::Replaced(route(epoch + 1)),
                _ => Touched::Held,
            })),
            Effect::ReadInbox { limit, .. } => {
                let count = input.below(limit as usize + 1);
                let entries = (0..count).map(|n| self.push(n % 8 == 7)).collect();
                let next = (input.below(3) == 1).then(|| vec![1].into());
                Told::Inbox(Ok(InboxPage { entries, next }))
            }
            Effect::Append { conversation, appends } => {
                let results = appends.iter().map(|append| match input.below(8) {
                    1 => AppendResult::OutOfOrder { highest: id(self.messages) },
                    2 => AppendResult::TooOld,
                    3 => AppendResult::TooNew,
                    4 => AppendResult::Conflict,
                    5 => AppendResult::Unavailable,
                    6 => AppendResult::Forbidden("no".into()),
                    7 => AppendResult::GroupFull,
                    _ => {
                        self.stored.insert(append.send.reference.clone());
                        AppendResult::Stored { id: append.id, devices: vec![device("alice")] }
                    }
                });
                Told::Appended(conversation, Ok(results.collect()))
            }
            Effect::Acknowledge { .. } => Told::Acknowledged(Ok(())),
            Effect::MarkRead { request, .. } => {
                let up_to = request.up_to;
                Told::Marked(request, Ok(up_to))
            }
            Effect::Privacy { request, presence_to, .. } => {
                Told::Privacy(request, Ok(presence_to.unwrap_or_default()))
            }
            Effect::History { request, .. } => {
                let messages = (0..input.below(8)).map(|n| message(id(n as u64))).collect();
                let page =
                    HistoryPage { id: request.id, messages, next: None, stable_up_to: START };
                Told::History(request.id, Ok(page))
            }
            Effect::ReadGroup { request, .. } => {
                let GroupRequest { id, group } = request;
                let user = device("alice").user;
                let members = vec![GroupMember { user, role: Role::Owner }];
                let Ok(name) = GroupName::new("Lunch") else { return None };
                Told::Group(id, Ok(GroupState { id, group, name, members }))
            }
            Effect::ReadReceipts { request, .. } => {
                let (user, delivered) = (device("alice").user, input.below(2) == 1);
                let members = vec![MemberReceipt { user, delivered, read: false }];
                Told::Receipts(request.id, Ok(Receipts::of(&request, members)))
            }
            _ => return None,
        })
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..1000 {
            let Some(due) = self.session.deadline(HEARTBEAT).filter(|due| *due <= until) else {
                break;
            };
            assert!(due > self.now || due == until, "a tick left its deadline in the past");
            self.now = self.now.max(due);
            self.tell(Told::Tick);
        }
        self.now = until;
        self.tell(Told::Tick);
    }

    fn tell(&mut self, told: Told) {
        let before = self.session.phase();
        let mut effects = Vec::new();
        self.session.handle(
            told,
            &mut env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut effects),
        );
        self.take(effects);
        let after = self.session.phase();
        let forward = match before {
            Phase::AwaitHello => true,
            Phase::CatchingUp | Phase::Live => after != Phase::AwaitHello,
            Phase::Closing => after == Phase::Closing,
        };
        assert!(forward, "from {before:?} to {after:?}");
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Write(text) => self.written(&text),
                Effect::Ping => assert!(!self.closing, "a ping after the end"),
                Effect::Close(_) => {
                    assert!(!std::mem::replace(&mut self.closing, true), "closed twice")
                }
                Effect::Release { .. }
                | Effect::Hold { .. }
                | Effect::Unhold(_)
                | Effect::Displace { .. }
                | Effect::Route { .. }
                | Effect::Typing { .. }
                | Effect::TypingDropped
                | Effect::RateLimited(_)
                | Effect::WriteIfIdle(_)
                | Effect::Watch { .. }
                | Effect::WritePresence(..) => {}
                asked => self.asked.push(asked),
            }
        }
        assert!(self.asked.len() <= CALLS, "{} calls are under way", self.asked.len());
    }

    fn written(&mut self, text: &[u8]) {
        assert!(!self.closing, "written after the end: {}", String::from_utf8_lossy(text));
        assert!(text.len() <= SERVER_FRAME, "a frame of {} bytes", text.len());
        match serde_json::from_slice::<ServerFrame>(text) {
            Ok(ServerFrame::Message(message)) => drop(self.pushed.insert(message.message, false)),
            Ok(ServerFrame::Receipt(receipt)) => drop(self.pushed.insert(receipt.receipt, true)),
            Ok(ServerFrame::Sent(sent)) => {
                let stored = self.stored.contains(&sent.reference);
                assert!(stored, "{} was not stored", sent.reference);
            }
            Ok(ServerFrame::Unknown) | Err(_) => {
                panic!("not a frame: {}", String::from_utf8_lossy(text));
            }
            Ok(_) => {}
        }
        assert!(self.pushed.len() <= WINDOW, "{} pushes are unacknowledged", self.pushed.len());
    }

    /// The socket goes, and everything is answered.
    fn end(mut self) {
        self.tell(Told::Closed);
        for _ in 0..1000 {
            let Some(asked) = self.asked.pop() else { break };
            if let Some(answer) = away(asked) {
                self.tell(answer);
            }
        }
        assert!(self.asked.is_empty(), "it goes on asking: {:?}", self.asked);
        assert!(self.session.finished(), "it does not end: {:?}", self.session);
    }
}

/// No answer came in time.
fn away(asked: Effect) -> Option<Told> {
    Some(match asked {
        Effect::Verify { .. } => Told::Verified(Verdict::Bad("no".into())),
        Effect::Register { .. } => Told::Registered(Err(Away)),
        Effect::Claim { .. } => Told::Claimed(Err(Away)),
        Effect::Reclaim { .. } => Told::Reclaimed(Err(Away)),
        Effect::Touch { .. } => Told::Touched(Err(Away)),
        Effect::ReadInbox { .. } => Told::Inbox(Err(Away)),
        Effect::Append { conversation, .. } => Told::Appended(conversation, Err(Away)),
        Effect::Acknowledge { .. } => Told::Acknowledged(Err(Away)),
        Effect::MarkRead { request, .. } => Told::Marked(request, Err(MarkFailure::Unavailable)),
        Effect::Privacy { request, .. } => Told::Privacy(request, Err(Away)),
        Effect::History { request, .. } => {
            Told::History(request.id, Err(HistoryFailure::Unavailable))
        }
        Effect::ReadGroup { request, .. } => {
            Told::Group(request.id, Err(HistoryFailure::Unavailable))
        }
        Effect::ReadReceipts { request, .. } => {
            Told::Receipts(request.id, Err(HistoryFailure::Unavailable))
        }
        _ => return None,
    })
}

const GROUP: &str = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b";

/// A frame as a client would send it, or nearly.
fn template(input: &mut Input<'_>) -> String {
    let n = input.below(100);
    let to = ["alice", "bob", "carol", "d e"][input.below(4)];
    match input.below(10) {
        0 | 1 => format!(
            r#"{{"type":"send","id":{n},"ref":"r{n}","to":{{"user":"{to}"}},"content":{{"body":"hi"}}}}"#
        ),
        2 => format!(r#"{{"type":"history","id":{n},"user":"{to}"}}"#),
        3 => {
            let with = user(if to == "d e" { "dave" } else { to });
            let conversation = ConversationId::between(&user("bob"), &with);
            let up_to = id(n as u64);
            format!(
                r#"{{"type":"read","id":{n},"conversation":"{conversation}","up_to":"{up_to}"}}"#
            )
        }
        5 => format!(
            r#"{{"type":"typing","to":{{"user":"{to}"}},"active":{}}}"#,
            n.is_multiple_of(2)
        ),
        7 => format!(r#"{{"type":"group","id":{n},"group":"{GROUP}"}}"#),
        9 => {
            format!(r#"{{"type":"receipts","id":{n},"message":"{}","members":true}}"#, id(n as u64))
        }
        8 => format!(
            r#"{{"type":"send","id":{n},"ref":"r{n}","to":{{"group":"{GROUP}"}},"content":{{"body":"hi"}}}}"#
        ),
        4 => format!(r#"{{"type":"refresh","id":{n},"token":"t"}}"#),
        _ => format!(r#"{{"type":"ping","id":{n}}}"#),
    }
}

fn previous(input: &mut Input<'_>) -> Option<Route> {
    (input.below(3) == 1).then(|| route(u64::from(input.byte())))
}

fn route(epoch: u64) -> Route {
    let incarnation = Incarnation(Uuid::from_u128(2));
    let gateway = Gateway { incarnation, host: "gateway-2".into(), port: 8444 };
    Route { gateway, connection: ConnectionId(9), epoch }
}

fn at(monotonic: Duration) -> Now {
    Now { monotonic, wall: START + monotonic.as_millis() as u64 }
}

fn env<'a>(
    now: Duration,
    own: &'a [Incarnation],
    clock: &'a mut HybridClock,
    rates: &'a mut Rates,
    effects: &'a mut Vec<Effect>,
) -> Env<'a> {
    Env { now: at(now), heartbeat: HEARTBEAT, own, clock, rates, effects }
}

fn id(n: u64) -> MessageId {
    let reference = Reference::new(format!("m{n}")).unwrap_or_else(|error| panic!("{error}"));
    let Device { user, device } = device("alice");
    MessageId::new(Stamp::new(START + n, 0), Identity::of(&user, &device, &reference))
}

fn message(id: MessageId) -> Message {
    let Device { user: from, device } = device("alice");
    Message {
        message: id,
        conversation: ConversationId::between(&from, &user("bob")),
        from,
        device,
        to: Recipient::User(user("bob")),
        at: id.millis(),
        content: Content::text("hi").unwrap_or_else(|error| panic!("{error}")),
    }
}

fn device(name: &str) -> Device {
    let device = DeviceId::new("laptop").unwrap_or_else(|error| panic!("{error}"));
    Device { user: user(name), device }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap_or_else(|error| panic!("{error}"))
}
