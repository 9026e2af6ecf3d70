use std::collections::BTreeMap;

use chatcluster_protocol::id::{ConversationId, Identity, Reference};
use proptest::prelude::*;

use super::*;
use crate::testing::{START, id};

fn send(id: u64, reference: &str, to: &str, body: &str) -> String {
    format!(
        r#"{{"type":"send","id":{id},"ref":"{reference}","to":{{"user":"{to}"}},"content":{{"body":"{body}"}}}}"#
    )
}

fn with(name: &str) -> ConversationId {
    ConversationId::between(&user("bob"), &user(name))
}

fn stored(id: MessageId) -> AppendResult {
    AppendResult::Stored { id, devices: vec![device("alice", "laptop")] }
}

impl Bob {
    /// The ids of the only append since the last look.
    fn appended(&mut self) -> Vec<MessageId> {
        match &self.effects()[..] {
            [Effect::Append { appends, .. }] => appends.iter().map(|append| append.id).collect(),
            other => panic!("expected one append, got {other:?}"),
        }
    }

    fn answers(&mut self, to: &str, results: Vec<AppendResult>) {
        self.handle(Input::Appended(with(to), Ok(results)));
    }

    /// Request ids and codes of the errors since the last look.
    fn errors(&mut self) -> Vec<(u64, ErrorCode)> {
        let frames = self.frames();
        let errors = frames.iter().map(|frame| match frame {
            ServerFrame::Error(error) => (error.id.unwrap().get(), error.code),
            other => panic!("expected an error, got {other:?}"),
        });
        errors.collect()
    }
}

#[test]
fn a_send_is_stamped_appended_answered_and_routed() {
    let mut bob = Bob::live();
    bob.sends(&send(5, "r1", "alice", "hi"));
    let effects = bob.effects();
    let [Effect::Append { conversation, appends }] = &effects[..] else { panic!("{effects:?}") };
    let [append] = &appends[..] else { panic!() };
    let phone = bobs_phone();
    let identity = Identity::of(&phone.user, &phone.device, &Reference::new("r1").unwrap());
    assert_eq!((*conversation, append.id.identity()), (with("alice"), identity));
    assert_eq!((append.id.millis(), &append.send.sender), (START + 1_000_000, &phone));

    bob.answers("alice", vec![stored(append.id)]);
    let effects = bob.effects();
    let [sent, Effect::Route { push, devices }] = &effects[..] else { panic!("{effects:?}") };
    let Some(ServerFrame::Sent(sent)) = frame(sent) else { panic!() };
    assert_eq!((sent.id.get(), sent.reference.as_str(), sent.message), (5, "r1", append.id));
    assert_eq!((push.id, &devices[..]), (append.id, &[device("alice", "laptop")][..]));
    let ServerFrame::Message(message) = serde_json::from_slice(&push.frame).unwrap() else {
        panic!()
    };
    assert_eq!((message.from, message.content.body.as_str()), (user("bob"), "hi"));
}

#[test]
fn a_reference_that_was_stored_before_is_answered_and_routed_under_its_first_id() {
    let mut bob = Bob::live();
    bob.sends(&send(5, "r1", "alice", "hi"));
    bob.appended();
    let first = MessageId::floor(START);
    bob.answers("alice", vec![stored(first)]);
    let effects = bob.effects();
    assert!(matches!(frame(&effects[0]), Some(ServerFrame::Sent(sent)) if sent.message == first));
    assert!(matches!(effects.last(), Some(Effect::Route { push, .. }) if push.id == first));
}

#[test]
fn ids_are_above_what_the_client_has_seen() {
    let mut bob = Bob::live();
    let seen = id("x", 1_010_000);
    bob.deliver(&crate::testing::message(seen));
    bob.effects();
    bob.sends(&send(1, "r1", "alice", "a"));
    assert!(bob.appended()[0] > seen);
}

#[test]
fn one_batch_of_a_conversation_is_under_way_and_the_others_follow_in_order() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    let first = bob.appended();
    bob.sends(&send(2, "r2", "alice", "b"));
    bob.sends(&send(3, "r3", "alice", "c"));
    assert!(bob.effects().is_empty());
    bob.sends(&send(4, "r4", "carol", "d"));
    assert_eq!(bob.appended().len(), 1);
    bob.answers("alice", vec![stored(first[0])]);
    let effects = bob.effects();
    let Some(Effect::Append { appends, .. }) = effects.last() else { panic!("{effects:?}") };
    let references: Vec<_> = appends.iter().map(|a| a.send.reference.as_str()).collect();
    assert_eq!(references, ["r2", "r3"]);
    assert!(first[0] < appends[0].id && appends[0].id < appends[1].id);
}

#[test]
fn what_comes_out_of_order_is_stamped_above_the_highest_before_what_queues() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.sends(&send(2, "r2", "alice", "b"));
    bob.effects();
    let highest = id("x", 1_045_000);
    bob.answers("alice", vec![AppendResult::OutOfOrder { highest }]);
    let appended = bob.appended();
    assert!(highest < appended[0] && appended[0] < appended[1]);
    bob.answers("alice", vec![AppendResult::TooOld, AppendResult::TooOld]);
    let again = bob.appended();
    assert!(appended[1] < again[0] && again[0] < again[1]);
}

#[test]
fn a_conversation_whose_append_failed_fails_with_all_that_queues() {
    for failure in [Ok(vec![AppendResult::Unavailable]), Ok(vec![AppendResult::TooNew]), Err(Away)]
    {
        let mut bob = Bob::live();
        bob.sends(&send(1, "r1", "alice", "a"));
        bob.sends(&send(2, "r2", "alice", "b"));
        bob.sends(&send(3, "r3", "carol", "c"));
        bob.effects();
        bob.handle(Input::Appended(with("alice"), failure));
        assert_eq!(bob.errors(), [(1, ErrorCode::Unavailable), (2, ErrorCode::Unavailable)]);
        // Sent again, they are new; the other conversation noticed nothing.
        bob.sends(&send(4, "r1", "alice", "a"));
        bob.appended();
        bob.answers("carol", vec![stored(id("c", 1))]);
        assert!(matches!(bob.frames()[..], [ServerFrame::Sent(_)]));
    }
}

#[test]
fn ids_that_are_never_right_fail_in_the_end() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    let mut appends = 0;
    while let [Effect::Append { .. }] = bob.effects()[..] {
        appends += 1;
        bob.handle(Input::Appended(with("alice"), Ok(vec![AppendResult::TooOld])));
        if appends == 4 {
            break;
        }
    }
    assert_eq!((appends, bob.errors()), (4, vec![(1, ErrorCode::Unavailable)]));
    assert!(bob.session.outbox.is_empty());
}

#[test]
fn an_answer_that_is_too_short_is_no_answer_for_the_rest() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.effects();
    bob.answers("alice", vec![]);
    assert_eq!(bob.errors(), [(1, ErrorCode::Unavailable)]);
}

#[test]
fn a_conflict_fails_alone() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.sends(&send(2, "r2", "alice", "b"));
    bob.effects();
    bob.answers("alice", vec![AppendResult::Conflict]);
    let effects = bob.effects();
    let Some(ServerFrame::Error(error)) = frame(&effects[0]) else { panic!() };
    assert_eq!((error.code, error.temporary), (ErrorCode::ReferenceConflict, false));
    assert!(matches!(effects[1], Effect::Append { .. }));
}

#[test]
fn the_same_send_again_is_answered_with_the_first() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.sends(&send(2, "r1", "alice", "a"));
    let message = bob.appended()[0];
    bob.sends(&send(3, "r1", "alice", "other"));
    bob.sends(&send(4, "r1", "carol", "a"));
    let conflict = ErrorCode::ReferenceConflict;
    assert_eq!(bob.errors(), [(3, conflict), (4, conflict)]);
    bob.answers("alice", vec![stored(message)]);
    let effects = bob.effects();
    assert!(matches!(frame(&effects[0]), Some(ServerFrame::Sent(s)) if s.id.get() == 1));
    assert!(matches!(frame(&effects[1]), Some(ServerFrame::Sent(s)) if s.id.get() == 2));
    assert_eq!(effects.len(), 3);
}

#[test]
fn sixty_four_sends_may_be_without_an_answer() {
    let mut bob = Bob::live();
    for n in 0..64 {
        bob.sends(&send(n, &format!("r{n}"), "alice", "a"));
    }
    bob.effects();
    bob.sends(&send(64, "r64", "alice", "a"));
    let (error, close) = bob.error();
    assert_eq!((error.code, error.temporary, close), (ErrorCode::TooManyInFlight, true, None));
    assert_eq!(error.reference.unwrap().as_str(), "r64");
    bob.answers("alice", vec![stored(id("x", 1))]);
    bob.effects();
    bob.sends(&send(65, "r64", "alice", "a"));
    assert!(bob.effects().is_empty());
}

#[test]
fn what_is_stored_for_a_client_that_left_is_routed_all_the_same() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.sends(&send(2, "r2", "alice", "b"));
    let message = bob.appended()[0];
    bob.handle(Input::Closed);
    bob.effects();
    assert!(!bob.session.finished());
    bob.answers("alice", vec![stored(message)]);
    assert!(matches!(&bob.effects()[..], [Effect::Route { push, .. }] if push.id == message));
    assert!(bob.session.finished());
}

#[derive(Debug, Clone)]
enum Step {
    Send { to: u8 },
    Answer { to: u8, fates: Vec<u8> },
    ClockJumps(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..2).prop_map(|to| Step::Send { to }),
        3 => (0u8..2, prop::collection::vec(0u8..12, 8))
            .prop_map(|(to, fates)| Step::Answer { to, fates }),
        1 => (-5_000i64..5_000).prop_map(Step::ClockJumps),
    ]
}

proptest! {
    /// A service that keeps the order, as replicas do: it refuses what is not above its highest, and
    /// after a failure all that follows in the batch.
    #[test]
    fn what_a_conversation_stores_rises_in_the_order_sent(steps in prop::collection::vec(step(), 1..150)) {
        let mut bob = Bob::live();
        let (mut wall, mut sent, mut answers) = (0i64, 0u64, 0usize);
        let mut under_way: BTreeMap<ConversationId, Vec<Append>> = BTreeMap::new();
        let mut kept: BTreeMap<ConversationId, Vec<(MessageId, u64)>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Send { to } => {
                    let to = ["alice", "carol"][to as usize];
                    bob.sends(&send(sent, &format!("{sent}"), to, "a"));
                    sent += 1;
                }
                Step::Answer { to, fates } => {
                    let conversation = with(["alice", "carol"][to as usize]);
                    let Some(batch) = under_way.remove(&conversation) else { continue };
                    let stored = kept.entry(conversation).or_default();
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
                    bob.handle(Input::Appended(conversation, Ok(results)));
                }
                Step::ClockJumps(by) => wall += by,
            }
            // The monotonic clock stands still; the wall clock does what it likes.
            bob.now = Duration::from_millis((1_000_000 + wall).max(0) as u64);
            for effect in bob.effects() {
                match effect {
                    Effect::Append { conversation, appends } => {
                        prop_assert!(appends.windows(2).all(|pair| pair[0].id < pair[1].id));
                        let before = under_way.insert(conversation, appends);
                        prop_assert!(before.is_none(), "two batches under way");
                    }
                    Effect::Write(_) => answers += 1,
                    _ => {}
                }
            }
        }
        for stored in kept.values() {
            prop_assert!(stored.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
        }
        prop_assert_eq!(answers + bob.session.outbox.waiting(), sent as usize);
    }
}

#[test]
fn what_was_on_the_wire_behind_a_failure_waits_for_its_repetition() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.appended();
    bob.answers("alice", vec![AppendResult::Unavailable]);
    assert_eq!(bob.errors(), [(1, ErrorCode::Unavailable)]);

    bob.sends(&send(2, "r2", "alice", "b"));
    assert_eq!(bob.errors(), [(2, ErrorCode::Unavailable)]);
    bob.sends(&send(3, "r1", "alice", "a"));
    let first = bob.appended();
    bob.sends(&send(4, "r2", "alice", "b"));
    bob.answers("alice", vec![stored(first[0])]);
    let effects = bob.effects();
    let Some(Effect::Append { appends, .. }) = effects.last() else { panic!("{effects:?}") };
    assert!(first[0] < appends[0].id, "ids rise in the order sent");
}
