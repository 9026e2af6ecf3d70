use chatcluster_protocol::id::{ConversationId, Identity, Reference};

use super::*;
use crate::testing::{START, id};

pub(super) fn send(id: u64, reference: &str, to: &str, body: &str) -> String {
    format!(
        r#"{{"type":"send","id":{id},"ref":"{reference}","to":{{"user":"{to}"}},"content":{{"body":"{body}"}}}}"#
    )
}

pub(super) fn with(name: &str) -> ConversationId {
    ConversationId::between(&user("bob"), &user(name))
}

pub(super) fn stored(id: MessageId) -> AppendResult {
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

    pub(super) fn answers(&mut self, to: &str, results: Vec<AppendResult>) {
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

#[test]
fn a_pause_of_the_gateway_does_not_let_later_sends_overtake() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.appended();
    bob.answers("alice", vec![AppendResult::Unavailable]);
    bob.sends(&send(2, "r2", "alice", "b"));
    bob.effects();

    bob.now += Duration::from_secs(100);
    bob.handle(Input::Heard);
    bob.handle(Input::Tick);
    bob.effects();
    bob.sends(&send(3, "r2", "alice", "b"));
    assert_eq!(bob.errors(), [(3, ErrorCode::Unavailable)]);
    bob.sends(&send(4, "r1", "alice", "a"));
    bob.sends(&send(5, "r2", "alice", "b"));
    assert!(matches!(&bob.effects()[..], [Effect::Append { .. }]));
}

#[test]
fn what_never_comes_again_is_forgotten_and_takes_no_memory() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.appended();
    bob.answers("alice", vec![AppendResult::Unavailable]);
    for _ in 0..6 {
        bob.wait_seconds(10);
        bob.handle(Input::Heard);
    }
    assert!(!bob.session.outbox.has_memory());
}

#[test]
fn what_was_on_the_wire_behind_one_too_many_waits_for_its_repetition() {
    let mut bob = Bob::live();
    for n in 0..64 {
        bob.sends(&send(n, &format!("r{n}"), "alice", "a"));
    }
    bob.effects();
    for n in 64..66 {
        bob.sends(&send(n, &format!("r{n}"), "alice", "a"));
    }
    let many = ErrorCode::TooManyInFlight;
    assert_eq!(bob.errors(), [(64, many), (65, many)]);
    bob.answers("alice", vec![stored(id("x", 1))]);
    let rest = bob.effects();
    let Some(Effect::Append { appends, .. }) = rest.last() else { panic!("{rest:?}") };
    bob.answers("alice", appends.iter().map(|append| stored(append.id)).collect());
    bob.effects();

    for (id, reference) in [(66, "r66"), (67, "r65")] {
        bob.sends(&send(id, reference, "alice", "a"));
        assert_eq!(bob.errors(), [(id, ErrorCode::Unavailable)]);
    }
    for (id, reference) in [(68, "r64"), (69, "r66"), (70, "r65"), (71, "r66")] {
        bob.sends(&send(id, reference, "alice", "a"));
    }
    let effects = bob.effects();
    let [Effect::Append { appends, .. }, Effect::Write(_)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(appends[0].send.reference.as_str(), "r64");
    bob.answers("alice", vec![stored(appends[0].id)]);
    let effects = bob.effects();
    let Some(Effect::Append { appends, .. }) = effects.last() else { panic!("{effects:?}") };
    let references: Vec<_> = appends.iter().map(|a| a.send.reference.as_str()).collect();
    assert_eq!(references, ["r65", "r66"]);
}

#[test]
fn a_repetition_of_what_has_no_answer_yet_holds_nothing_back() {
    let mut bob = Bob::live();
    for n in 0..64 {
        bob.sends(&send(n, &format!("r{n}"), "alice", "a"));
    }
    bob.effects();
    bob.sends(&send(64, "r0", "alice", "a"));
    assert_eq!(bob.errors(), [(64, ErrorCode::TooManyInFlight)]);
    bob.answers("alice", vec![stored(id("x", 1))]);
    bob.effects();
    bob.sends(&send(65, "r65", "alice", "new"));
    assert!(bob.effects().is_empty(), "it queues");
}

#[test]
fn what_follows_a_repeated_send_has_a_higher_id_than_its_first_one() {
    let mut bob = Bob::live();
    bob.sends(&send(1, "r1", "alice", "a"));
    bob.effects();
    let first = id("x", 1_009_000);
    bob.answers("alice", vec![stored(first)]);
    bob.effects();
    bob.sends(&send(2, "r2", "carol", "b"));
    assert!(first < bob.appended()[0]);
}

#[test]
fn a_message_gets_an_id_above_what_its_device_has_seen_elsewhere() {
    let mut bob = Bob::live();
    let seen = id("x", 1_009_000);
    let first = send(1, "r1", "alice", "a").replace("}}", &format!(r#"}},"seen":"{seen}"}}"#));
    bob.sends(&first);
    let first = bob.appended()[0];
    assert!(seen < first && first.millis() == seen.millis());

    let minutes_ahead = id("x", 1_300_000);
    let seen = format!(r#"}},"seen":"{minutes_ahead}"}}"#);
    bob.sends(&send(3, "r3", "dora", "c").replace("}}", &seen));
    let followed = bob.appended()[0];
    assert!(followed < minutes_ahead, "clocks differ, and it is followed by 30 s");

    let future = id("x", 1_061_000 + 24 * 3600 * 1000);
    bob.sends(&send(2, "r2", "carol", "b").replace("}}", &format!(r#"}},"seen":"{future}"}}"#)));
    let (error, close) = bob.error();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadField, Some("seen")));
    assert_eq!((error.id.map(|id| id.get()), close), (Some(2), None));
    assert_eq!(error.reference.as_ref().map(|reference| reference.as_str()), Some("r2"));
}
