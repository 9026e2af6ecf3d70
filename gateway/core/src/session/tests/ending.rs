use chatcluster_protocol::client::{Reconnect, ReconnectReason};

use super::*;

fn gone() -> [Effect; 2] {
    let device = bobs_phone();
    [Effect::Release { device: device.clone(), epoch: 70 }, Effect::Unhold(device)]
}

#[test]
fn the_session_of_a_device_that_was_removed_ends_and_gives_up_its_route() {
    let mut bob = Bob::live();
    bob.handle(Input::Removed);
    assert_eq!(bob.effects[2..], gone());
    let (error, close) = bob.error();
    assert_eq!((error.code, close), (ErrorCode::Revoked, Some(CloseCode::Revoked)));
    bob.handle(Input::Removed);
    assert!(bob.effects().is_empty());
}

#[test]
fn a_client_whose_session_has_ended_is_not_asked_to_move() {
    for drain in [Input::Drain, Input::DrainNow] {
        let mut bob = Bob::live();
        bob.handle(Input::Evict(70));
        assert_eq!(bob.closes_with(), Some(CloseCode::Replaced));
        bob.handle(drain(Duration::from_secs(2)));
        assert_eq!(bob.effects(), []);
    }
}

#[test]
fn a_silent_client_is_asked_and_then_dropped() {
    let mut bob = Bob::long_live();
    bob.wait_seconds(24);
    assert!(bob.effects().is_empty());
    bob.wait_seconds(1);
    assert_eq!(bob.effects(), [Effect::Ping]);
    bob.wait_seconds(9);
    assert!(bob.effects().is_empty());
    bob.wait_seconds(1);
    assert_eq!(bob.closes_with(), Some(CloseCode::HeartbeatMissed));
}

#[test]
fn a_client_that_answers_stays() {
    let mut bob = Bob::long_live();
    for _ in 0..5 {
        bob.wait_seconds(25);
        assert_eq!(bob.effects(), [Effect::Ping]);
        bob.wait_seconds(9);
        bob.handle(Input::Heard);
    }
    assert!(bob.effects().is_empty());
}

#[test]
fn a_newer_connection_of_the_device_ends_this_one() {
    let mut bob = Bob::live();
    bob.handle(Input::Evict(69));
    assert!(bob.effects().is_empty(), "an eviction of an older claim");
    bob.handle(Input::Evict(70));
    assert_eq!(bob.closes_with(), Some(CloseCode::Replaced));
    assert_eq!(bob.deliver(&nth(1)), Outcome::NotHere);
}

#[test]
fn a_drained_client_is_asked_and_given_time() {
    let mut bob = Bob::live();
    bob.handle(Input::Drain(Duration::from_secs(2)));
    let reconnect = Reconnect { after: 2_000, reason: ReconnectReason::Draining };
    assert_eq!(bob.frames(), [ServerFrame::Reconnect(reconnect)]);
    assert_eq!(bob.deliver(&nth(1)), Outcome::Queued);
    bob.wait(Duration::from_millis(6_999));
    assert_eq!(bob.closes_with(), None);
    bob.wait(Duration::from_millis(1));
    assert_eq!(bob.closes_with(), Some(CloseCode::Draining));
}

#[test]
fn out_of_time_the_client_is_told_and_closed_at_once() {
    let mut bob = Bob::live();
    bob.handle(Input::DrainNow(Duration::from_secs(9)));
    let effects = bob.effects();
    assert!(matches!(frame(&effects[0]), Some(ServerFrame::Reconnect(r)) if r.after == 9_000));
    assert_eq!(effects[1], Effect::Close(CloseCode::Draining));
    assert_eq!(effects[2..], gone());
}

#[test]
fn a_client_that_was_asked_to_move_is_not_asked_again_when_time_is_up() {
    let mut bob = Bob::live();
    bob.handle(Input::Drain(Duration::from_secs(1)));
    bob.effects();
    bob.handle(Input::DrainNow(Duration::from_secs(9)));
    let effects = bob.effects();
    assert_eq!(effects[0], Effect::Close(CloseCode::Draining));
    assert_eq!(effects[1..], gone());
}

#[test]
fn a_session_that_ends_gives_up_its_route_once() {
    let mut bob = Bob::live();
    bob.handle(Input::Closed);
    assert_eq!(bob.effects(), gone());
    assert!(bob.session.finished());
    for input in [Input::Closed, Input::Evict(70), Input::Tick, Input::Heard, Input::ReadAgain] {
        bob.handle(input);
    }
    bob.handle(Input::Reassert);
    bob.sends(r#"{"type":"ping","id":1}"#);
    assert!(bob.effects().is_empty());
    assert_eq!(bob.session.deadline(HEARTBEAT), None);
}

#[test]
fn a_connection_that_never_said_hello_just_goes() {
    let mut bob = Bob::connected();
    bob.handle(Input::Closed);
    assert!(bob.effects().is_empty() && bob.session.finished());
}

/// The devices that are to look into their inboxes.
fn looks(effects: &[Effect]) -> Vec<Device> {
    let look = |effect: &Effect| match effect {
        Effect::Route { push, devices } if push.is_look() => Some(devices.clone()),
        _ => None,
    };
    effects.iter().filter_map(look).flatten().collect()
}

#[test]
fn what_a_client_that_left_may_not_have_is_looked_for_by_its_next_session() {
    let mut bob = Bob::live();
    bob.deliver(&nth(1));
    bob.effects();
    bob.handle(Input::Closed);
    let effects = bob.effects();
    assert_eq!(looks(&effects), [bobs_phone()]);
    assert_eq!(effects[..2], gone(), "a look of one that still holds the device would find itself");

    let mut bob = Bob::welcomed();
    bob.handle(Input::Drain(Duration::ZERO));
    bob.wait_seconds(5);
    assert_eq!(looks(&bob.effects()), [bobs_phone()], "its inbox was not read to the end");

    let mut bob = Bob::connected();
    bob.hello();
    assert_eq!(bob.deliver(&nth(1)), Outcome::Overloaded);
    bob.handle(Input::Closed);
    assert_eq!(looks(&bob.effects()), [bobs_phone()], "it was going to read its inbox");

    let mut bob = Bob::live();
    bob.deliver(&nth(1));
    bob.handle(Input::Evict(70));
    assert_eq!(looks(&bob.effects()), [bobs_phone()], "who evicts it may have ended since");
}

#[test]
fn nobody_looks_where_nothing_was_missed() {
    let mut bob = Bob::live();
    bob.deliver(&nth(1));
    bob.acks(&[nth(1)]);
    bob.handle(Input::Closed);
    assert!(looks(&bob.effects()).is_empty());

    let mut bob = Bob::live();
    bob.handle(Input::Evict(70));
    assert!(looks(&bob.effects()).is_empty());

    let mut bob = Bob::connected();
    bob.handle(Input::Closed);
    assert!(bob.effects().is_empty());
}

#[test]
fn a_session_that_is_to_look_reads_its_inbox_again() {
    let mut bob = Bob::live();
    assert_eq!(bob.deliver(&Push::look(0)), Outcome::Queued);
    assert_eq!(bob.effects(), [read(None)]);
    assert_eq!(bob.deliver(&Push::look(0)), Outcome::Queued);
    bob.page(&[nth(1)], None);
    assert_eq!(bob.pushed(), [nth(1).id], "a pass that had begun may have missed it");
    assert_eq!(bob.session.phase(), Phase::CatchingUp);
    assert_eq!(bob.deliver_for(69, &Push::look(0)), Outcome::NotHere);
}

#[test]
fn a_backend_ends_the_connection_that_it_means() {
    for (epoch, ends) in [(69, true), (70, true), (71, false)] {
        let mut bob = Bob::live();
        bob.handle(Input::Disconnect(epoch));
        assert_eq!(bob.closes_with(), ends.then_some(CloseCode::Disconnected), "{epoch}");
    }
}
