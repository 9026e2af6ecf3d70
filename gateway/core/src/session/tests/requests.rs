use chatcluster_protocol::{
    client::{Content, HistoryPage, Message, Pong, Recipient, RequestId},
    id::ConversationId,
    limits::{BODY, SERVER_FRAME},
};

use super::*;
use crate::testing::{START, id};

fn request(n: u64) -> RequestId {
    RequestId::try_from(n).unwrap()
}

/// Messages whose bodies become six times as long in JSON.
fn worst_page(forward: bool) -> HistoryPage {
    let alice = device("alice", "laptop");
    let message = |n: u64| Message {
        message: id("m", n),
        conversation: ConversationId::between(&user("alice"), &user("bob")),
        from: alice.user.clone(),
        device: alice.device.clone(),
        to: Recipient::User(user("bob")),
        at: n,
        content: Content::text("\u{1}".repeat(BODY)).unwrap(),
    };
    let mut messages: Vec<_> = (1..=4).map(message).collect();
    if !forward {
        messages.reverse();
    }
    HistoryPage { id: request(3), messages, next: None, stable_up_to: START + 100 }
}

impl Bob {
    fn history(&mut self, page: HistoryPage) -> HistoryPage {
        self.sends(r#"{"type":"history","id":3,"user":"alice"}"#);
        assert!(
            matches!(&self.effects()[..], [Effect::History { request, .. }] if request.id.get() == 3)
        );
        self.handle(Input::History(request(3), Ok(page)));
        let effects = self.effects();
        let [Effect::Write(text)] = &effects[..] else { panic!("{effects:?}") };
        assert!(text.len() <= SERVER_FRAME);
        let Some(ServerFrame::History(page)) = frame(&effects[0]) else { panic!() };
        page
    }
}

#[test]
fn a_ping_is_answered_with_the_gateways_time() {
    let mut bob = Bob::live();
    bob.sends(r#"{"type":"ping","id":3}"#);
    assert_eq!(bob.frames(), [ServerFrame::Pong(Pong { id: request(3), time: START + 1_000_000 })]);
}

#[test]
fn what_is_written_after_a_look_back_has_higher_ids_than_the_page() {
    let mut bob = Bob::live();
    let mut page = worst_page(true);
    let seen = id("m", 1_009_000);
    page.messages[0].message = seen;
    bob.history(page);
    bob.sends(&super::sends::send(4, "r1", "alice", "a"));
    let effects = bob.effects();
    let [Effect::Append { appends, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(seen < appends[0].id);
}

#[test]
fn a_page_of_history_is_handed_on() {
    let page = HistoryPage { id: request(3), messages: vec![], next: None, stable_up_to: 5 };
    assert_eq!(Bob::live().history(page.clone()), page);
}

#[test]
fn a_page_that_is_too_large_for_a_frame_is_cut_and_goes_on_where_it_was_cut() {
    for forward in [true, false] {
        let whole = worst_page(forward);
        let cut = Bob::live().history(whole.clone());
        assert_eq!(cut.messages, whole.messages[..1]);
        assert_eq!(cut.next, Some(whole.messages[0].message));
    }
}

#[test]
fn a_forward_page_that_was_cut_points_to_nothing_that_may_still_change() {
    let unstable = HistoryPage { stable_up_to: START, ..worst_page(true) };
    assert_eq!(Bob::live().history(unstable).next, Some(MessageId::floor(START)));
}

#[test]
fn history_that_cannot_be_read_says_why() {
    for (failure, code) in [
        (HistoryFailure::Forbidden, ErrorCode::Forbidden),
        (HistoryFailure::Unavailable, ErrorCode::Unavailable),
    ] {
        let mut bob = Bob::live();
        bob.sends(r#"{"type":"history","id":3,"user":"alice"}"#);
        bob.effects();
        bob.handle(Input::History(request(3), Err(failure)));
        let (error, close) = bob.error();
        assert_eq!((error.id, error.code, close), (Some(request(3)), code, None));
    }
}

#[test]
fn four_requests_for_history_may_be_without_an_answer() {
    let mut bob = Bob::live();
    for _ in 0..4 {
        bob.sends(r#"{"type":"history","id":3,"user":"alice"}"#);
    }
    assert_eq!(bob.effects().len(), 4);
    bob.sends(r#"{"type":"history","id":4,"user":"alice"}"#);
    let (error, close) = bob.error();
    assert_eq!((error.id, error.code, close), (Some(request(4)), ErrorCode::TooManyInFlight, None));
}

#[test]
fn a_frame_that_is_refused_gets_its_error_and_the_session_goes_on() {
    let mut bob = Bob::live();
    bob.sends(r#"{"type":"send","id":3,"ref":"r","to":{"user":"a b"},"content":{"body":"x"}}"#);
    let (error, close) = bob.error();
    assert_eq!((error.code, close), (ErrorCode::BadField, None));
    bob.sends("[]");
    let (error, close) = bob.error();
    assert_eq!((error.code, close), (ErrorCode::BadFrame, Some(CloseCode::Violation)));
}
