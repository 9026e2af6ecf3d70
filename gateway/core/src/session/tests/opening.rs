use chatcluster_protocol::client::RequestId;

use super::*;
use crate::testing::{START, id};

#[test]
fn hello_is_verified_registered_claimed_and_only_then_is_the_inbox_read() {
    let mut bob = Bob::connected();
    bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone","resume":{"epoch":69}}"#);
    assert_eq!(bob.effects(), [Effect::Verify { token: "t".into() }]);
    bob.handle(Input::Verified(Verdict::Valid { user: user("bob"), expires: None, issued: None }));
    assert_eq!(bob.effects(), [Effect::Register { device: bobs_phone(), issued: 0 }]);
    bob.handle(Input::Registered(Ok(Registration::Known)));
    assert_eq!(bob.effects(), [Effect::Claim { device: bobs_phone(), last_epoch: Some(69) }]);
    assert_eq!(bob.session.phase(), Phase::AwaitHello);
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
    let [hold, welcome, inbox] = &bob.effects()[..] else { panic!() };
    assert_eq!(*hold, Effect::Hold { device: bobs_phone(), epoch: 70, claimed: true });
    assert!(matches!(frame(welcome), Some(ServerFrame::Welcome(w)) if w.epoch == 70));
    assert_eq!(*inbox, read(None));
    assert_eq!(bob.session.phase(), Phase::CatchingUp);
    bob.page(&[], None);
    assert_eq!(bob.frames(), [ServerFrame::CaughtUp]);
    assert_eq!(bob.session.phase(), Phase::Live);
}

#[test]
fn the_previous_holder_is_displaced_once_the_client_answers() {
    let mut bob = Bob::connected();
    bob.hello();
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: Some(elsewhere(60)) })));
    assert!(bob.effects().contains(&Effect::Ping));
    bob.page(&[], None);
    // Frames may have been on the way for long.
    bob.sends(r#"{"type":"ack","messages":[]}"#);
    bob.handle(Input::Heard);
    let displace = Effect::Displace { device: bobs_phone(), previous: elsewhere(60) };
    assert!(!bob.effects().contains(&displace));
    bob.handle(Input::Pong);
    assert_eq!(bob.effects(), [displace]);
    bob.handle(Input::Pong);
    assert!(bob.effects().is_empty());
}

#[test]
fn a_client_that_left_before_its_claim_displaces_nobody() {
    let mut bob = Bob::connected();
    bob.hello();
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: Some(elsewhere(60)) })));
    bob.effects();
    bob.wait_seconds(11);
    let effects = bob.effects();
    assert!(effects.contains(&Effect::Close(CloseCode::HeartbeatMissed)));
    assert!(effects.contains(&Effect::Release { device: bobs_phone(), epoch: 70 }));
    bob.handle(Input::Pong);
    assert!(bob.effects().is_empty());
}

#[test]
fn with_the_manager_away_a_client_is_welcomed_and_the_claim_repeated() {
    let mut bob = Bob::connected();
    let last = START + 2_000_000;
    bob.sends(&format!(
        r#"{{"type":"hello","id":1,"token":"t","device":"phone","resume":{{"epoch":{last}}}}}"#
    ));
    bob.handle(Input::Verified(Verdict::Valid { user: user("bob"), expires: None, issued: None }));
    bob.handle(Input::Registered(Ok(Registration::Known)));
    bob.effects();
    bob.handle(Input::Claimed(Err(Away)));
    // The epoch is above the client's last, cut to what the gateway's clock allows.
    let cut = START + 1_000_000 + 60_000;
    let hold = Effect::Hold { device: bobs_phone(), epoch: cut + 1, claimed: false };
    assert_eq!(bob.effects[0], hold);
    assert!(matches!(&bob.frames()[..], [ServerFrame::Welcome(w)] if w.epoch == cut + 1));
    bob.page(&[], None);
    bob.effects();
    bob.wait_seconds(15);
    assert_eq!(bob.effects(), [Effect::Reclaim { device: bobs_phone(), epoch: cut + 1 }]);
    let claimed = Claimed { epoch: cut + 2, previous: None };
    bob.handle(Input::Reclaimed(Ok(Reclaimed::Claimed(claimed))));
    let hold = Effect::Hold { device: bobs_phone(), epoch: cut + 2, claimed: true };
    assert_eq!(bob.effects(), [hold, read(None)]);
}

#[test]
fn with_the_message_service_away_the_client_comes_back_later() {
    let mut bob = Bob::connected();
    bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
    bob.handle(Input::Verified(Verdict::Valid { user: user("bob"), expires: None, issued: None }));
    bob.handle(Input::Registered(Err(Away)));
    let (error, close) = bob.error();
    assert_eq!((error.code, error.temporary), (ErrorCode::Unavailable, true));
    assert_eq!(close, Some(CloseCode::Unavailable));
}

#[test]
fn welcome_tells_whether_the_device_is_new() {
    for (found, new) in [(Registration::New, true), (Registration::Known, false)] {
        let mut bob = Bob::connected();
        bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
        bob.handle(Input::Verified(Verdict::Valid {
            user: user("bob"),
            expires: None,
            issued: None,
        }));
        bob.handle(Input::Registered(Ok(found)));
        bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
        assert!(matches!(&bob.frames()[..], [ServerFrame::Welcome(w)] if w.new_device == new));
    }
}

#[test]
fn one_device_too_many_is_refused() {
    let mut bob = Bob::connected();
    bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
    bob.handle(Input::Verified(Verdict::Valid { user: user("bob"), expires: None, issued: None }));
    bob.handle(Input::Registered(Ok(Registration::TooManyDevices)));
    let (error, close) = bob.error();
    assert_eq!(error.code, ErrorCode::TooManyDevices);
    assert_eq!(close, Some(CloseCode::TooManyDevices));
}

#[test]
fn a_token_that_is_bad_or_expired_ends_the_connection() {
    let expired = Verdict::Valid { user: user("bob"), expires: Some(START), issued: None };
    for (verdict, code, close) in [
        (Verdict::Bad("no".into()), ErrorCode::BadToken, CloseCode::BadToken),
        (Verdict::Expired, ErrorCode::TokenExpired, CloseCode::TokenExpired),
        (expired, ErrorCode::TokenExpired, CloseCode::TokenExpired),
    ] {
        let mut bob = Bob::connected();
        bob.sends(r#"{"type":"hello","id":9,"token":"t","device":"phone"}"#);
        bob.handle(Input::Verified(verdict));
        let (error, closed) = bob.error();
        assert_eq!((error.code, error.id.map(|id| id.get())), (code, Some(9)));
        assert_eq!(closed, Some(close));
        assert_eq!(bob.session.device(), None);
    }
}

#[test]
fn hello_must_come_within_10_seconds() {
    let mut bob = Bob::connected();
    bob.wait(Duration::from_millis(9_999));
    assert!(bob.effects().is_empty());
    bob.wait(Duration::from_millis(1));
    let (error, close) = bob.error();
    assert_eq!(error.code, ErrorCode::HelloTimeout);
    assert_eq!(close, Some(CloseCode::HelloTimeout));
}

#[test]
fn frames_that_are_not_hello_prolong_nothing() {
    let mut bob = Bob::connected();
    for _ in 0..9 {
        bob.wait_seconds(1);
        bob.sends(r#"{"type":"hello","id":1}"#);
    }
    bob.effects();
    bob.wait_seconds(1);
    assert_eq!(bob.closes_with(), Some(CloseCode::HelloTimeout));
}

#[test]
fn hello_is_first_and_comes_once() {
    let (ping, hello) =
        (r#"{"type":"ping","id":1}"#, r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
    for (frames, code) in [
        (vec![ping], ErrorCode::HelloExpected),
        (vec!["no json"], ErrorCode::BadFrame),
        (vec![hello, hello], ErrorCode::HelloRepeated),
        // Limits are told in `welcome`, so a client waits for it.
        (vec![hello, ping], ErrorCode::HelloExpected),
    ] {
        let mut bob = Bob::connected();
        frames.iter().for_each(|frame| bob.sends(frame));
        let (error, close) = bob.error();
        assert_eq!((error.code, close), (code, Some(CloseCode::Violation)));
    }
    let mut bob = Bob::live();
    bob.sends(hello);
    assert_eq!(bob.error().0.code, ErrorCode::HelloRepeated);
}

#[test]
fn an_error_about_hello_names_the_request_that_it_answers() {
    let mut bob = Bob::connected();
    bob.sends(&super::sends::send(7, "r1", "alice", "a"));
    let error = bob.error().0;
    assert_eq!(error.id.map(RequestId::get), Some(7));
    assert_eq!(error.reference.unwrap().as_str(), "r1");
}

#[test]
fn a_highest_id_from_the_future_is_named_and_the_client_may_try_again() {
    let mut bob = Bob::connected();
    let hello = |millis| {
        let highest = id("x", millis);
        format!(
            r#"{{"type":"hello","id":1,"token":"t","device":"phone","resume":{{"highest":"{highest}"}}}}"#
        )
    };
    const DAY: u64 = 24 * 3600 * 1000;
    bob.sends(&hello(1_000_000 + DAY + 1));
    let (error, close) = bob.error();
    assert_eq!(error.field.as_deref(), Some("resume.highest"));
    assert_eq!((error.code, close), (ErrorCode::BadField, None));
    bob.sends(&hello(1_000_000 + DAY));
    assert!(matches!(bob.effects()[..], [Effect::Verify { .. }]));
}

#[test]
fn a_delivery_before_the_inbox_is_read_finds_nobody_or_a_session_that_will_read() {
    let mut bob = Bob::connected();
    assert_eq!(bob.deliver(&nth(1)), Outcome::NotHere);
    bob.hello();
    // The claim may have been found already; the inbox read that follows it sees the message.
    assert_eq!(bob.deliver(&nth(1)), Outcome::Overloaded);
}

#[test]
fn the_device_of_backends_is_nobodys() {
    let mut bob = Bob::connected();
    bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"backend"}"#);
    let (error, close) = bob.error();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadField, Some("device")));
    assert_eq!(close, None);
}
