use chatcluster_protocol::{
    client::{Receipt, ReceiptKind},
    id::ConversationId,
};

use super::*;
use crate::{
    session::acks::WAITING,
    testing::{id, message},
};

fn many(numbers: std::ops::Range<u64>) -> Vec<Push> {
    numbers.map(nth).collect()
}

fn ids(pushes: &[Push]) -> Vec<MessageId> {
    pushes.iter().map(|push| push.id).collect()
}

fn receipt(millis: u64) -> Push {
    Push::receipt(Receipt {
        receipt: id("receipt", millis),
        kind: ReceiptKind::Delivered,
        conversation: ConversationId::between(&user("alice"), &user("bob")),
        user: user("alice"),
        up_to: id("m", 1),
        at: millis,
    })
}

#[test]
fn pages_are_pushed_to_the_end_and_then_the_client_is_caught_up() {
    let mut bob = Bob::welcomed();
    bob.page(&many(0..3), Some("next"));
    let effects = bob.effects();
    assert_eq!(effects.last(), Some(&read(Some("next"))));
    assert_eq!(effects.len(), 4);
    bob.page(&many(3..5), None);
    let frames = bob.frames();
    assert_eq!(frames.iter().filter_map(pushed).collect::<Vec<_>>(), ids(&many(3..5)));
    assert_eq!(frames.last(), Some(&ServerFrame::CaughtUp));
}

#[test]
fn reading_waits_while_256_pushes_are_unacknowledged() {
    let mut bob = Bob::welcomed();
    bob.page(&many(0..100), Some("1"));
    bob.page(&many(100..200), Some("2"));
    bob.effects();
    bob.page(&many(200..300), Some("3"));
    assert_eq!(bob.pushed(), ids(&many(200..256)));
    bob.acks(&many(0..10));
    assert_eq!(bob.pushed(), ids(&many(256..266)));
    bob.acks(&many(10..100));
    let effects = bob.effects();
    assert_eq!(effects.last(), Some(&read(Some("3"))));
    assert_eq!(effects.iter().filter_map(frame).count(), 34);
}

#[test]
fn large_pushes_fill_the_window_by_their_bytes() {
    let mut bob = Bob::live();
    let large = |n: u64| Push { frame: vec![b' '; 200 * 1024].into(), ..nth(n) };
    let outcomes: Vec<_> = (0..7).map(|n| bob.deliver(&large(n))).collect();
    assert_eq!(outcomes[..6], [Outcome::Queued; 6]);
    assert_eq!(outcomes[6], Outcome::Overloaded);
}

#[test]
fn live_pushes_wait_for_the_end_of_the_pass_and_are_not_pushed_twice() {
    let mut bob = Bob::welcomed();
    bob.effects();
    for n in [1, 2] {
        assert_eq!(bob.deliver(&nth(n)), Outcome::Queued);
    }
    assert!(bob.effects().is_empty());
    bob.page(&many(0..2), None);
    assert_eq!(bob.pushed(), ids(&[nth(0), nth(1), nth(2)]));
    assert_eq!(bob.session.phase(), Phase::Live);
}

#[test]
fn more_live_pushes_than_the_buffer_holds_force_another_pass_before_caught_up() {
    let mut bob = Bob::welcomed();
    bob.effects();
    for push in many(0..128) {
        assert_eq!(bob.deliver(&push), Outcome::Queued);
    }
    assert_eq!(bob.deliver(&nth(128)), Outcome::Overloaded);
    bob.page(&[], None);
    let effects = bob.effects();
    assert_eq!(effects.last(), Some(&read(None)));
    assert!(!effects.iter().filter_map(frame).any(|frame| frame == ServerFrame::CaughtUp));
    bob.page(&many(0..129), None);
    let frames = bob.frames();
    assert_eq!(frames.iter().filter_map(pushed).collect::<Vec<_>>(), ids(&[nth(128)]));
    assert_eq!(frames.last(), Some(&ServerFrame::CaughtUp));
}

#[test]
fn a_live_client_that_does_not_acknowledge_falls_back_to_its_inbox() {
    let mut bob = Bob::live();
    for push in many(0..256) {
        assert_eq!(bob.deliver(&push), Outcome::Queued);
    }
    bob.effects();
    assert_eq!(bob.deliver(&nth(256)), Outcome::Overloaded);
    assert_eq!(bob.session.phase(), Phase::CatchingUp);
    assert!(bob.effects().is_empty());
    bob.acks(&[nth(0)]);
    let ack = |effect: &&Effect| !matches!(effect, Effect::Acknowledge { .. });
    assert_eq!(bob.effects().iter().filter(ack).collect::<Vec<_>>(), [&read(None)]);
    bob.page(&many(1..257), None);
    assert_eq!(bob.pushed(), ids(&[nth(256)]));
    // It was told so once; later passes are silent.
    assert_eq!(bob.session.phase(), Phase::Live);
}

#[test]
fn a_copy_is_not_pushed_and_is_acknowledged_with_its_twin() {
    let mut bob = Bob::live();
    let (first, copy) = (message(id("a", 1)), message(id("a", 9)));
    bob.deliver(&first);
    assert_eq!(bob.deliver(&copy), Outcome::Queued);
    assert_eq!(bob.pushed(), [first.id]);
    bob.acks(std::slice::from_ref(&first));
    let effects = bob.effects();
    let [Effect::Acknowledge { messages, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*messages, [first.id, copy.id]);
    // A third copy, after the ack: no push, and an ack of its own.
    let third = message(id("a", 20));
    bob.handle(Input::Acknowledged(Ok(())));
    assert_eq!(bob.deliver(&third), Outcome::Queued);
    let effects = bob.effects();
    let [Effect::Acknowledge { messages, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*messages, [third.id]);
}

#[test]
fn acks_of_what_was_not_pushed_are_ignored() {
    let mut bob = Bob::live();
    bob.deliver(&message(id("a", 1)));
    bob.effects();
    bob.acks(&[nth(5), message(id("a", 2))]);
    assert!(bob.effects().is_empty());
}

#[test]
fn one_call_at_a_time_carries_the_acks() {
    let mut bob = Bob::live();
    many(0..3).iter().for_each(|push| assert_eq!(bob.deliver(push), Outcome::Queued));
    bob.deliver(&receipt(5));
    bob.effects();
    bob.acks(&[nth(0)]);
    bob.acks(&[nth(1)]);
    bob.acks(&[nth(2), receipt(5)]);
    assert_eq!(bob.effects().len(), 1);
    bob.handle(Input::Acknowledged(Ok(())));
    let effects = bob.effects();
    let [Effect::Acknowledge { device, messages, receipts, .. }] = &effects[..] else { panic!() };
    assert_eq!((device, &messages[..]), (&bobs_phone(), &ids(&[nth(1), nth(2)])[..]));
    assert_eq!(receipts[..], [receipt(5).id]);
}

#[test]
fn acks_that_the_service_lost_are_repeated_and_not_pushed_again() {
    let mut bob = Bob::live();
    bob.deliver(&nth(1));
    bob.acks(&[nth(1)]);
    bob.handle(Input::Acknowledged(Err(Away)));
    bob.effects();
    bob.handle(Input::ReadAgain);
    bob.page(&[nth(1)], None);
    assert!(bob.pushed().is_empty());
    bob.wait_seconds(1);
    let effects = bob.effects();
    assert!(
        matches!(&effects[..], [Effect::Acknowledge { messages, .. }] if *messages == [nth(1).id])
    );
}

#[test]
fn what_comes_again_while_its_ack_is_under_way_is_acknowledged_again() {
    let mut bob = Bob::welcomed();
    // One replica alone has it: the call finds nothing to remove, and then it is stored.
    bob.page(&[nth(1)], None);
    bob.acks(&[nth(1)]);
    bob.effects();
    assert_eq!(bob.deliver(&nth(1)), Outcome::Queued);
    assert!(bob.effects().is_empty());
    bob.handle(Input::Acknowledged(Ok(())));
    let effects = bob.effects();
    assert!(
        matches!(&effects[..], [Effect::Acknowledge { messages, .. }] if *messages == [nth(1).id])
    );
    bob.handle(Input::Acknowledged(Ok(())));
    assert!(bob.effects().is_empty());
}

#[test]
fn acks_that_had_no_room_are_fetched_from_the_inbox_once_there_is_room() {
    let mut bob = Bob::live();
    let first = 1 + WAITING as u64;
    // One in a call that has no answer, four windows that wait, and one more.
    for push in many(0..first + 1) {
        assert_eq!(bob.deliver(&push), Outcome::Queued);
        bob.acks(&[push]);
    }
    bob.effects();
    bob.handle(Input::Acknowledged(Err(Away)));
    bob.wait_seconds(1);
    let effects = bob.effects();
    let acked = effects.iter().map(|effect| match effect {
        Effect::Acknowledge { messages, .. } => messages.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(acked.collect::<Vec<_>>(), [1 + WAITING]);
    bob.handle(Input::Acknowledged(Ok(())));
    assert_eq!(bob.effects(), [read(None)]);
    bob.page(&[nth(first)], None);
    assert_eq!(bob.pushed(), [nth(first).id]);
    bob.acks(&[nth(first)]);
    assert!(matches!(
        &bob.effects()[..],
        [Effect::Acknowledge { messages, .. }] if *messages == [nth(first).id]
    ));
    bob.handle(Input::Acknowledged(Ok(())));
    assert!(bob.effects().is_empty());
}

#[test]
fn however_long_a_pass_takes_it_pushes_nothing_that_was_acknowledged() {
    let mut bob = Bob::welcomed();
    bob.deliver(&nth(2));
    bob.page(&many(1..3), Some("2"));
    bob.acks(&many(1..3));
    bob.handle(Input::Acknowledged(Ok(())));
    bob.effects();
    for _ in 0..6 {
        bob.wait_seconds(20);
        bob.handle(Input::Heard);
    }
    // The page was read before the acks, and the live push waited for the end of the pass.
    bob.page(&many(1..2), None);
    assert!(bob.pushed().is_empty());
    assert_eq!(bob.session.phase(), Phase::Live);
}

#[test]
fn the_acks_of_a_client_that_has_gone_still_leave_once() {
    let mut bob = Bob::live();
    many(0..2).iter().for_each(|push| assert_eq!(bob.deliver(push), Outcome::Queued));
    bob.acks(&[nth(0)]);
    bob.acks(&[nth(1)]);
    bob.handle(Input::Closed);
    bob.effects();
    assert!(!bob.session.finished());
    bob.handle(Input::Acknowledged(Ok(())));
    assert!(matches!(&bob.effects()[..], [Effect::Acknowledge { .. }]));
    bob.handle(Input::Acknowledged(Err(Away)));
    assert!(bob.effects().is_empty() && bob.session.finished());
}

#[test]
fn a_page_that_could_not_be_read_is_read_again_with_back_off() {
    let mut bob = Bob::welcomed();
    bob.page(&[nth(1)], Some("2"));
    bob.effects();
    for wait in [1, 2, 4] {
        bob.handle(Input::Inbox(Err(Away)));
        assert!(bob.effects().is_empty());
        bob.wait_seconds(wait);
        assert_eq!(bob.effects(), [read(Some("2"))]);
    }
}

#[test]
fn a_probe_that_finds_something_makes_the_session_read_again() {
    let mut bob = Bob::live();
    bob.handle(Input::ReadAgain);
    assert_eq!(bob.effects(), [read(None)]);
    // A second one, while that pass is under way, makes another.
    bob.handle(Input::ReadAgain);
    assert!(bob.effects().is_empty());
    bob.page(&[nth(1)], None);
    assert_eq!(bob.effects().last(), Some(&read(None)));
    bob.page(&[nth(1)], None);
    assert!(bob.effects().is_empty());
    assert_eq!(bob.session.phase(), Phase::Live);
}
