//! A session between a client and services that the test plays.

mod ending;
mod inbox;
mod model;
mod opening;
mod order;
mod presence;
mod rated;
mod reading;
mod requests;
mod route;
mod sends;
mod token;
mod typing;

use std::{mem::take, time::Duration};

use chatcluster_protocol::{
    client::{CloseCode, Error, ErrorCode, ServerFrame, decode},
    id::{HybridClock, MessageId},
    peer::Outcome,
};
use uuid::Uuid;

use super::*;
use crate::{
    Away, Push, Route,
    testing::{at, device, nth, user},
};

const HEARTBEAT: Duration = Duration::from_secs(25);

/// Bob's phone, on connection 7 of the gateway with incarnation 1.
struct Bob {
    session: Session,
    clock: HybridClock,
    rates: Rates,
    own: Vec<Incarnation>,
    now: Duration,
    /// What the session wanted and the test has not looked at.
    effects: Vec<Effect>,
}

impl Bob {
    /// Connected; nothing sent.
    fn connected() -> Self {
        let now = Duration::from_secs(1_000);
        let session = Session::new(ConnectionId(7), Uuid::nil(), at(now));
        let own = vec![Incarnation(Uuid::from_u128(1))];
        let (clock, rates) = (HybridClock::default(), Rates::default());
        Self { session, clock, rates, own, now, effects: Vec::new() }
    }

    /// Welcomed with epoch 70, and reading the first page of its inbox.
    fn welcomed() -> Self {
        let mut bob = Self::connected();
        bob.hello();
        bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
        assert!(matches!(bob.frames()[..], [ServerFrame::Welcome(_)]));
        bob
    }

    /// Past `caught_up`, with an empty inbox.
    fn live() -> Self {
        let mut bob = Self::welcomed();
        bob.page(&[], None);
        assert_eq!(bob.frames(), [ServerFrame::CaughtUp]);
        bob
    }

    /// The same for half a minute: the first look at the route is over.
    fn long_live() -> Self {
        let mut bob = Self::live();
        bob.wait_seconds(20);
        bob.handle(Input::Heard);
        bob.wait_seconds(10);
        bob.handle(Input::Touched(Ok(Touched::Held)));
        bob.handle(Input::Heard);
        bob.effects.clear();
        bob
    }

    /// `hello`, up to the claim.
    fn hello(&mut self) {
        self.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
        self.handle(Input::Verified(Verdict::Valid {
            user: user("bob"),
            expires: None,
            issued: None,
        }));
        self.handle(Input::Registered(Ok(Registration::Known)));
        self.effects.clear();
    }

    fn handle(&mut self, input: Input) {
        let mut env = env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut self.effects);
        self.session.handle(input, &mut env);
    }

    /// The client sends a frame.
    fn sends(&mut self, frame: &str) {
        self.handle(Input::Frame(decode(frame)));
    }

    fn acks(&mut self, pushes: &[Push]) {
        let ids = |receipts: bool| {
            let of_kind = pushes.iter().filter(|push| push.receipt == receipts);
            of_kind.map(|push| format!("\"{}\"", push.id)).collect::<Vec<_>>().join(",")
        };
        let (messages, receipts) = (ids(false), ids(true));
        self.sends(&format!(r#"{{"type":"ack","messages":[{messages}],"receipts":[{receipts}]}}"#));
    }

    fn page(&mut self, entries: &[Push], next: Option<&'static str>) {
        let (entries, next) = (entries.to_vec(), next.map(Into::into));
        self.handle(Input::Inbox(Ok(InboxPage { entries, next })));
    }

    fn deliver(&mut self, push: &Push) -> Outcome {
        self.deliver_for(70, push)
    }

    fn deliver_for(&mut self, epoch: u64, push: &Push) -> Outcome {
        let mut env = env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut self.effects);
        self.session.deliver(epoch, push.clone(), &mut env)
    }

    /// Time passes, with ticks when they are due.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.session.deadline(HEARTBEAT).filter(|due| *due <= until) {
            // A deadline in the past would make the shell spin.
            assert!(due > self.now || self.now == until, "a tick left its deadline in the past");
            self.now = self.now.max(due);
            self.handle(Input::Tick);
        }
        self.now = until;
        self.handle(Input::Tick);
    }

    fn wait_seconds(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    /// What the session wanted since the last look.
    fn effects(&mut self) -> Vec<Effect> {
        take(&mut self.effects)
    }

    /// The frames written since the last look; other effects are dropped.
    fn frames(&mut self) -> Vec<ServerFrame> {
        self.effects().iter().filter_map(frame).collect()
    }

    /// The ids pushed since the last look; other effects are dropped.
    fn pushed(&mut self) -> Vec<MessageId> {
        self.frames().iter().filter_map(pushed).collect()
    }

    /// The only error since the last look, and how the connection ends.
    fn error(&mut self) -> (Error, Option<CloseCode>) {
        let effects = self.effects();
        let close = effects.iter().find_map(|effect| match effect {
            Effect::Close(code) => Some(*code),
            _ => None,
        });
        match &effects.iter().filter_map(frame).collect::<Vec<_>>()[..] {
            [ServerFrame::Error(error)] => (error.clone(), close),
            other => panic!("expected one error, got {other:?}"),
        }
    }

    fn closes_with(&mut self) -> Option<CloseCode> {
        self.effects().into_iter().find_map(|effect| match effect {
            Effect::Close(code) => Some(code),
            _ => None,
        })
    }
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

fn frame(effect: &Effect) -> Option<ServerFrame> {
    match effect {
        Effect::Write(text) => Some(serde_json::from_slice(text).unwrap()),
        _ => None,
    }
}

fn pushed(frame: &ServerFrame) -> Option<MessageId> {
    match frame {
        ServerFrame::Message(message) => Some(message.message),
        ServerFrame::Receipt(receipt) => Some(receipt.receipt),
        _ => None,
    }
}

fn bobs_phone() -> Device {
    device("bob", "phone")
}

fn elsewhere(epoch: u64) -> Route {
    crate::testing::route(2, 3, epoch)
}

fn read(cursor: Option<&'static str>) -> Effect {
    Effect::ReadInbox { device: bobs_phone(), cursor: cursor.map(Into::into), limit: 100 }
}

#[test]
fn an_idle_live_session_is_small() {
    let mut bob = Bob::live();
    for n in 0..64 {
        bob.deliver(&nth(n));
    }
    bob.acks(&(0..64).map(nth).collect::<Vec<_>>());
    bob.handle(Input::Acknowledged(Ok(())));
    let ack_memory = bob.session.acks.is_some();
    bob.handle(Input::Heard);
    bob.wait_seconds(20);
    bob.handle(Input::Heard);
    bob.wait_seconds(10);
    // No heap is left but the names of user and device, of some 20 bytes each.
    assert!(ack_memory && bob.session.acks.is_none());
    assert!(bob.session.outbox.is_empty() && bob.session.window.is_empty());
    let size = size_of::<Session>();
    println!("size of a session: {size} bytes");
    assert!(size <= 320, "{size}");
}
