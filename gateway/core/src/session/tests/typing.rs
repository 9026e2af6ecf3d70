//! What a client tells while it types, and what it is told.

use bytes::Bytes;
use chatcluster_protocol::{client::IsTyping, id::ConversationId};

use super::*;

fn frame() -> Bytes {
    Bytes::from_static(b"{\"type\":\"typing\"}")
}

impl Bob {
    fn types(&mut self, to: &str, active: bool) {
        self.sends(&format!(r#"{{"type":"typing","to":{{"user":"{to}"}},"active":{active}}}"#));
    }

    /// What was passed on since the last look: to whom, and for how long it is shown.
    fn told(&mut self) -> Vec<(String, u64)> {
        let told = self.effects().into_iter().filter_map(|effect| match effect {
            Effect::Typing { to, frame } => match serde_json::from_slice(&frame).unwrap() {
                ServerFrame::Typing(typing) => Some((to.to_string(), typing.expires_in)),
                other => panic!("{other:?}"),
            },
            Effect::Write(text) => panic!("{text:?} is answered"),
            _ => None,
        });
        told.collect()
    }

    fn show(&mut self, epoch: u64) -> (Shown, bool) {
        let mut env = env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut self.effects);
        let shown = self.session.show_typing(epoch, frame(), &mut env);
        (shown, self.effects() == [Effect::WriteIfIdle(frame())])
    }
}

fn alice(expires_in: u64) -> Vec<(String, u64)> {
    vec![("alice".into(), expires_in)]
}

#[test]
fn typing_is_passed_on_with_who_and_where_and_not_answered() {
    let mut bob = Bob::live();
    bob.sends(r#"{"type":"typing","to":{"user":"alice"}}"#);
    let effects = bob.effects();
    let [Effect::Typing { to, frame }] = &effects[..] else { panic!("{effects:?}") };
    let conversation = ConversationId::between(&user("alice"), &user("bob"));
    let typing = IsTyping { from: user("bob"), conversation, expires_in: 6_000 };
    assert_eq!(*to, user("alice"));
    assert_eq!(serde_json::from_slice::<ServerFrame>(frame).unwrap(), ServerFrame::Typing(typing));
}

#[test]
fn the_same_is_passed_on_every_three_seconds_however_often_it_comes() {
    let mut bob = Bob::live();
    let mut told = 0;
    for _ in 0..900 {
        bob.types("alice", true);
        told += bob.told().len();
        bob.wait(Duration::from_millis(10));
    }
    assert_eq!(told, 3);
}

#[test]
fn who_stops_and_goes_on_is_told_at_once_but_not_for_ever() {
    let mut bob = Bob::live();
    bob.types("alice", false);
    assert_eq!(bob.told(), [], "nobody has been told that bob was typing");
    let mut told = Vec::new();
    for n in 0..1_000 {
        bob.types("alice", n % 2 == 0);
        told.extend(bob.told());
    }
    let lifetimes: Vec<_> = told.iter().map(|(_, lifetime)| *lifetime).collect();
    assert_eq!(lifetimes, [6_000, 0, 6_000, 0]);
    bob.wait_seconds(3);
    bob.types("alice", true);
    assert_eq!(bob.told(), alice(6_000));
}

#[test]
fn a_message_ends_the_typing_so_that_the_next_is_told_at_once() {
    let mut bob = Bob::live();
    bob.types("alice", true);
    bob.sends(&super::sends::send(4, "r1", "alice", "a"));
    bob.effects();
    bob.types("alice", false);
    assert_eq!(bob.told(), []);
    bob.types("alice", true);
    assert_eq!(bob.told(), alice(6_000));
}

#[test]
fn what_is_over_for_others_needs_no_end() {
    let mut bob = Bob::live();
    bob.types("alice", true);
    bob.effects();
    bob.wait_seconds(5);
    bob.types("alice", false);
    assert_eq!(bob.told(), alice(0));
    bob.types("alice", true);
    bob.effects();
    bob.wait_seconds(6);
    bob.types("alice", false);
    assert_eq!(bob.told(), []);
}

#[test]
fn one_types_to_eight_at_a_time_and_not_to_oneself() {
    let mut bob = Bob::live();
    bob.types("bob", true);
    assert_eq!(bob.effects(), []);
    for n in 0..1_000 {
        bob.types(&format!("user-{n}"), true);
    }
    let dropped = bob.effects.iter().filter(|effect| **effect == Effect::TypingDropped).count();
    assert_eq!((bob.told().len(), dropped), (8, 992));
    bob.wait_seconds(6);
    assert!(!bob.session.typing.has_memory(), "no memory is left");
    bob.types("one-more", true);
    assert_eq!(bob.told().len(), 1);
}

#[test]
fn a_live_session_shows_that_somebody_is_typing() {
    let mut bob = Bob::live();
    assert_eq!(bob.show(70), (Shown::Handed, true));
    for epoch in [69, 71] {
        assert_eq!(bob.show(epoch), (Shown::NotHere, false));
    }
    bob.handle(Input::Evict(70));
    bob.effects();
    assert_eq!(bob.show(70), (Shown::NotHere, false));
}

#[test]
fn a_session_with_anything_else_to_do_shows_nothing_and_changes_nothing() {
    let mut catching_up = Bob::welcomed();
    catching_up.effects();
    assert_eq!(catching_up.show(70), (Shown::Busy, false));
    assert_eq!(catching_up.session.phase(), Phase::CatchingUp);
    let mut behind = Bob::live();
    for n in 0..129 {
        behind.deliver(&nth(n));
    }
    behind.effects();
    assert_eq!(behind.show(70), (Shown::Busy, false));
    assert_eq!(behind.session.phase(), Phase::Live);
    behind.acks(&[nth(0)]);
    behind.effects();
    assert_eq!(behind.show(70), (Shown::Handed, true));
    let mut silent = Bob::live();
    silent.wait_seconds(25);
    silent.effects();
    assert_eq!(silent.show(70), (Shown::Busy, false));
    silent.handle(Input::Pong);
    silent.effects();
    assert_eq!(silent.show(70), (Shown::Handed, true));
}

#[test]
fn typing_to_nobody_is_refused_and_says_what_is_wrong() {
    let mut bob = Bob::live();
    bob.sends(r#"{"type":"typing","id":9,"to":{"user":"a b"}}"#);
    let (error, close) = bob.error();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadField, Some("to.user")));
    assert_eq!((error.id.map(|id| id.get()), close), (Some(9), None));
}
