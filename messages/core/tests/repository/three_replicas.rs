//! The same repository over three replicas, of which one may be away at any time.

use std::collections::BTreeSet;

use chatcluster_protocol::id::MessageId;
use messages_core::{
    apply::{Batch, Claim, Part, Unit},
    repository::{Append, Refused},
};
use proptest::prelude::*;

use crate::harness::*;

#[derive(Debug, Clone)]
enum Step {
    Send { away: Option<usize> },
    Acknowledge { away: Option<usize>, which: prop::sample::Index },
}

fn step() -> impl Strategy<Value = Step> {
    let away = || prop::option::of(0usize..3);
    prop_oneof![
        away().prop_map(|away| Step::Send { away }),
        (away(), any::<prop::sample::Index>())
            .prop_map(|(away, which)| Step::Acknowledge { away, which }),
    ]
}

proptest! {
    /// P1 and P4 over a quorum: what was stored is in the inbox until it is acknowledged, and in the
    /// archive, whichever replica is away while writing and while reading.
    #[test]
    fn whichever_replica_is_away_nothing_stored_is_lost_and_nothing_removed_returns(
        steps in prop::collection::vec(step(), 0..25),
        away in prop::option::of(0usize..3),
    ) {
        let service = Service::of_three();
        service.register("bob", "phone");
        let (mut stored, mut owed) = (Vec::new(), BTreeSet::new());
        for (n, step) in (0..).zip(steps) {
            match step {
                Step::Send { away } => {
                    let append = message("alice", "bob", &format!("r{n}"), n, "hi");
                    let outcome = with_away(&service, away, || service.store(&append));
                    stored.push(outcome.unwrap().id);
                    owed.insert(append.id);
                }
                Step::Acknowledge { away, which } if !owed.is_empty() => {
                    let id = *which.get(&owed.iter().copied().collect::<Vec<_>>());
                    with_away(&service, away, || service.acknowledge("bob", "phone", [id]));
                    owed.remove(&id);
                }
                Step::Acknowledge { .. } => {}
            }
        }
        let (inbox, archive) = with_away(&service, away, || {
            (service.waiting("bob", "phone"), service.all(everything(), NOW))
        });
        prop_assert_eq!(inbox, owed.into_iter().collect::<Vec<_>>());
        let archive: Vec<_> = archive.iter().rev().map(|message| message.message).collect();
        prop_assert_eq!(archive, stored);
    }
}

#[test]
fn without_a_majority_nothing_is_acknowledged() {
    let service = Service::of_three();
    service.replicas[0].set_away(true);
    service.replicas[1].set_away(true);
    let outcome = service.store(&message("alice", "bob", "1", 0, "hi"));
    assert_eq!(outcome, Err(Refused::Unavailable("the replica cannot be used: away".into())));
}

/// These replicas have the message, pending under its id.
fn reaches(append: &Append, replicas: &[MemoryReplica]) {
    for replica in replicas {
        replica.comes_late(vec![append.clone()]);
    }
}

/// A message reached one replica only, under an id of its own.
fn on_one_alone(service: &Service, millis: i64) -> MessageId {
    let lone = message("alice", "bob", "1", millis, "hi");
    reaches(&lone, &service.replicas[..1]);
    lone.id
}

/// No replica's word may count for more than it knows: whoever of the two others is asked next time
/// must say the same.
#[test]
fn a_repeat_of_what_reached_one_replica_is_stored_on_a_majority() {
    let service = Service::of_three();
    service.register("bob", "phone");
    on_one_alone(&service, 0);
    let again = message("alice", "bob", "1", 50, "hi");
    let stored = with_away(&service, Some(2), || service.store(&again)).unwrap();
    assert_eq!(stored.id, again.id);
    for away in [0, 1, 2] {
        let repeat = message("alice", "bob", "1", 90, "hi");
        assert_eq!(with_away(&service, Some(away), || service.store(&repeat)), Ok(stored.clone()));
        assert!(
            with_away(&service, Some(away), || service.waiting("bob", "phone")).contains(&again.id)
        );
    }
}

#[test]
fn a_message_pending_on_a_majority_keeps_its_first_id() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let first = message("alice", "bob", "1", 0, "hi");
    reaches(&first, &service.replicas[..2]);
    let again = message("alice", "bob", "1", 50, "hi");
    assert_eq!(service.store(&again).unwrap().id, first.id);
    assert_eq!(service.waiting("bob", "phone"), [first.id]);
}

#[test]
fn an_id_that_is_too_late_for_the_others_is_superseded() {
    let service = Service::of_three();
    service.register("bob", "phone");
    on_one_alone(&service, 0);
    for replica in &service.replicas {
        replica.set_now(NOW + 61_000);
    }
    let again = message("alice", "bob", "1", 61_000, "hi");
    for away in [2, 0] {
        let stored = with_away(&service, Some(away), || service.store(&again)).unwrap();
        assert_eq!(stored.id, again.id);
    }
    let later = message("x", "y", "z", 61_001, "").id;
    service.finish_pending(later);
    assert_eq!(service.finish_pending(later), 0, "the lone copy is not asked about for ever");
}

/// A copy that lost is finished where it is pending; it must not be taken for the message.
#[test]
fn a_lone_copy_that_lost_answers_as_the_one_that_won() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let lone = on_one_alone(&service, 50);
    let first = message("alice", "bob", "1", 0, "hi");
    let stored = with_away(&service, Some(0), || service.store(&first)).unwrap();
    assert_eq!(stored.id, first.id);
    with_away(&service, None, || service.finish_pending(message("x", "y", "z", 51, "").id));
    for away in [None, Some(1), Some(2)] {
        let repeat = message("alice", "bob", "1", 90, "hi");
        let again = with_away(&service, away, || service.store(&repeat));
        assert_eq!(again, Ok(stored.clone()), "and not as {lone}");
    }
}

/// What a device sent in one batch reached two replicas. The first message of it gets another id there
/// than on the third, so the second one must not keep its own.
#[test]
fn what_follows_a_message_that_moved_up_moves_with_it() {
    for (away, away_next) in [0, 1, 2].into_iter().flat_map(|one| [0, 1, 2].map(|next| (one, next)))
    {
        let service = Service::of_three();
        service.register("bob", "phone");
        let first = |millis| message("alice", "bob", "1", millis, "a");
        let second = |millis| message("alice", "bob", "2", millis, "b");
        reaches(&first(0), &service.replicas[..2]);
        reaches(&second(1), &service.replicas[..2]);
        reaches(&first(50), &service.replicas[2..]);

        let one = with_away(&service, Some(away), || service.store(&first(100))).unwrap();
        let two = with_away(&service, Some(away_next), || service.store(&second(200))).unwrap();
        assert!(one.id < two.id, "without {away}, then {away_next}: {} and {}", one.id, two.id);
        for away in [0, 1, 2] {
            let repeat = with_away(&service, Some(away), || service.store(&second(300)));
            assert_eq!(repeat, Ok(two.clone()));
        }
    }
}

/// These replicas hear that it is complete.
fn is_complete(append: &Append, replicas: &[MemoryReplica]) {
    let Append { id, message } = append.clone();
    let devices = vec![device_of(("bob", "phone"))];
    let complete = Part::Complete { id, stored: id, message, devices };
    for replica in replicas {
        replica.apply_alone(Batch(vec![Unit(vec![complete.clone()])]));
    }
}

/// A pod stored two messages on two replicas and paused before it said so. One of these and the third moved
/// the first message up meanwhile; then the pod goes on.
#[test]
fn what_a_late_pod_calls_complete_follows_what_moved_up() {
    let first = |millis| message("alice", "bob", "1", millis, "a");
    let second = |millis| message("alice", "bob", "2", millis, "b");
    for (away, late) in [0, 1, 2].into_iter().flat_map(|away| [0..1, 1..2, 0..2].map(|l| (away, l)))
    {
        let service = Service::of_three();
        service.register("bob", "phone");
        reaches(&first(0), &service.replicas[..2]);
        reaches(&second(1), &service.replicas[..2]);
        let one = with_away(&service, Some(0), || service.store(&first(100))).unwrap();
        assert_eq!(one.id, first(100).id);

        is_complete(&first(0), &service.replicas[late.clone()]);
        is_complete(&second(1), &service.replicas[late.clone()]);
        let two = with_away(&service, Some(away), || service.store(&second(200))).unwrap();
        assert!(one.id < two.id, "late on {late:?}, without {away}: {} and {}", one.id, two.id);
        for away in [0, 1, 2] {
            let repeat = with_away(&service, Some(away), || service.store(&second(300)));
            assert_eq!(repeat, Ok(two.clone()));
        }
        let later = message("x", "y", "z", 301, "").id;
        with_away(&service, None, || service.finish_pending(later));
        assert_eq!(service.finish_pending(later), 0, "late on {late:?}, without {away}");
    }
}

/// The second message of a batch is complete, the first one only pending, and on too few replicas.
#[test]
fn what_is_complete_behind_a_message_that_moves_up_in_the_same_batch_moves_with_it() {
    let first = |millis| message("alice", "bob", "1", millis, "a");
    let second = |millis| message("alice", "bob", "2", millis, "b");
    let service = Service::of_three();
    service.register("bob", "phone");
    reaches(&first(0), &service.replicas[..2]);
    reaches(&second(1), &service.replicas[..2]);
    is_complete(&second(1), &service.replicas[..2]);
    let batch = vec![first(100), second(101)];
    let outcomes = with_away(&service, Some(0), || service.append(batch));
    let ids: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

/// The second message is said to be complete below the first one, and a new one comes behind it.
#[test]
fn what_is_new_is_not_stored_before_what_has_to_follow() {
    let first = |millis| message("alice", "bob", "1", millis, "a");
    let second = |millis| message("alice", "bob", "2", millis, "b");
    for away in [None, Some(0), Some(1), Some(2)] {
        let service = Service::of_three();
        service.register("bob", "phone");
        reaches(&first(0), &service.replicas[..2]);
        reaches(&second(1), &service.replicas[..2]);
        let one = with_away(&service, Some(0), || service.store(&first(100))).unwrap();
        is_complete(&second(1), &service.replicas[..1]);
        let batch = vec![second(200), message("alice", "bob", "3", 201, "c")];
        let outcomes = with_away(&service, away, || service.append(batch));
        let later = outcomes.into_iter().map(|outcome| outcome.unwrap().id);
        let ids: Vec<_> = [one.id].into_iter().chain(later).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "without {away:?}: {ids:?}");
    }
}

/// One replica alone knows that the first message has moved up, above what the second one is to be stored under
/// now. That one is refused, so what is pending behind it is not to stay below.
#[test]
fn what_is_pending_behind_a_message_that_is_refused_is_refused_too() {
    let first = |millis| message("alice", "bob", "1", millis, "a");
    let second = |millis| message("alice", "bob", "2", millis, "b");
    let third = |millis| message("alice", "bob", "3", millis, "c");
    let service = Service::of_three();
    service.register("bob", "phone");
    reaches(&first(0), &service.replicas);
    reaches(&second(1), &service.replicas);
    reaches(&third(2), &service.replicas[1..]);
    is_complete(&first(0), &service.replicas[1..]);
    is_complete(&second(1), &service.replicas[1..]);
    let Append { id, message } = first(300);
    let home = Part::Home { id, message, claim: Claim::Supersedes, group: None };
    service.replicas[0].apply_alone(Batch(vec![Unit(vec![home])]));

    let refused = Err(Refused::OutOfOrder(id));
    let outcomes = service.append(vec![second(200), third(201)]);
    assert_eq!(outcomes, [refused.clone(), refused]);
    let outcomes = service.append(vec![second(400), third(401)]);
    let ids: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().id).collect();
    assert_eq!(ids, [second(400).id, third(401).id]);
}

/// A pod died when it had stored two messages on a majority, and the first one has moved up since. The device
/// sends the second one no more: somebody else finishes it, long after its time, under the id that it has.
#[test]
fn what_was_overtaken_and_is_not_repeated_is_finished() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let first = |millis| message("alice", "bob", "1", millis, "a");
    let second = message("alice", "bob", "2", 1, "b");
    reaches(&first(0), &service.replicas[..2]);
    reaches(&second, &service.replicas[..2]);
    with_away(&service, Some(0), || service.store(&first(100))).unwrap();
    for replica in &service.replicas {
        replica.set_now(NOW + 90_000);
    }
    let later = message("x", "y", "z", 101, "").id;
    service.finish_pending(later);
    assert_eq!(service.finish_pending(later), 0, "the second message is still pending");
    assert!(service.waiting("bob", "phone").contains(&second.id));
}

/// A message is on one replica alone and too old for the others. A later one of the device is on a majority.
#[test]
fn what_can_not_be_finished_holds_up_nothing_behind_it() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let second = message("alice", "bob", "2", 1, "b");
    reaches(&message("alice", "bob", "1", 0, "a"), &service.replicas[..1]);
    reaches(&second, &service.replicas[..2]);
    for replica in &service.replicas {
        replica.set_now(NOW + 90_000);
    }
    let later = message("x", "y", "z", 101, "").id;
    assert_eq!(service.finish_pending(later), 1);
    assert_eq!(service.finish_pending(later), 0);
}

#[test]
fn a_pending_message_behind_many_that_are_done_is_finished() {
    let service = Service::of_three();
    service.register("bob", "phone");
    for n in 0..300 {
        service.store(&message("carol", "bob", &format!("r{n}"), n, "hi")).unwrap();
    }
    let hi = message("alice", "bob", "1", 300, "hi");
    reaches(&hi, &service.replicas[..2]);
    assert_eq!(service.finish_pending(message("x", "y", "z", 301, "").id), 1);
    assert_eq!(service.waiting("bob", "phone").last(), Some(&hi.id));
}

/// The first message of a batch has reached one replica before. The ones behind it must not be stored
/// before it is, since it may need an id above theirs by then.
#[test]
fn what_is_behind_a_pending_message_is_not_stored_before_it() {
    for away in [None, Some(0), Some(1), Some(2)] {
        let service = Service::of_three();
        service.register("bob", "phone");
        on_one_alone(&service, 0);
        let mut ids = Vec::new();
        // As the sender's gateway does: what is refused for its id is stamped again, in order.
        for millis in [50, 150] {
            let left = (ids.len()..3).zip(millis..);
            let batch = left.map(|(n, at)| message("alice", "bob", &(n + 1).to_string(), at, "hi"));
            let outcomes = with_away(&service, away, || service.append(batch.collect()));
            let stored = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
            let refused = |one: &Result<_, _>| matches!(one, Err(Refused::OutOfOrder(_)));
            assert!(outcomes[stored..].iter().all(refused), "without {away:?}: {outcomes:?}");
            ids.extend(outcomes.into_iter().flatten().map(|stored| stored.id));
        }
        assert_eq!(ids.len(), 3);
        assert!(ids.is_sorted_by(|a, b| a < b), "without {away:?}: {ids:?}");
    }
}

/// All of a batch is pending under other ids, from before a crash: one round tells all of them.
#[test]
fn a_batch_of_pending_messages_is_stored_in_one_call() {
    let service = Service::of_one();
    service.register("bob", "phone");
    let batch = |millis: i64| -> Vec<_> {
        let message = |n: i64| message("alice", "bob", &format!("r{n}"), millis + n, "hi");
        (0..20).map(message).collect()
    };
    for append in batch(0) {
        reaches(&append, &service.replicas);
    }
    let stored = service.append(batch(500)).into_iter().map(|outcome| outcome.unwrap().id);
    assert!(stored.eq(batch(0).into_iter().map(|append| append.id)));
}

/// One replica alone knows the second of three messages under an id that has been overtaken, and the third one is
/// complete behind it.
fn one_alone_is_overtaken() -> Service {
    let service = Service::of_three();
    service.register("bob", "phone");
    service.replicas[0].comes_late(numbered(0..2, 10));
    service.replicas[2].comes_late(numbered(0..3, 20));
    service.append(numbered(0..1, 30));
    service.replicas[2].comes_late(numbered(1..3, 40));
    with_away(&service, Some(1), || service.finish_pending(MessageId::MAX));
    service.replicas[1].set_away(false);
    service
}

fn numbered(names: std::ops::Range<usize>, millis: i64) -> Vec<Append> {
    let message = |(n, at)| message("alice", "bob", &format!("r{n}"), at, "hi");
    names.zip(millis..).map(message).collect()
}

/// It moves up there, while the other one that stores it takes it for new. What comes after it follows it, whoever is
/// asked.
#[test]
fn what_one_replica_alone_moves_up_is_followed_whoever_is_asked() {
    for away in [None, Some(0), Some(1), Some(2)] {
        let service = one_alone_is_overtaken();
        let second = service.append(numbered(1..2, 60)).pop().unwrap().unwrap().id;
        let third = with_away(&service, away, || service.append(numbered(2..3, 70)));
        let third = third.into_iter().next().unwrap().unwrap().id;
        assert!(second < third, "without {away:?}: {second} and {third}");
    }
}

#[test]
fn nobody_is_told_before_a_majority_knows_of_the_move() {
    let service = one_alone_is_overtaken();
    service.replicas[0].set_away(true);
    // It stores the message, and then nothing more.
    service.replicas[1].die_after(1);
    let outcome = service.append(numbered(1..2, 60)).pop().unwrap();
    assert!(matches!(outcome, Err(Refused::Unavailable(_))), "{outcome:?}");
    service.replicas[0].set_away(false);
    service.replicas[1].die_after(u64::MAX);
    let second = service.append(numbered(1..2, 65)).pop().unwrap().unwrap().id;
    let third = with_away(&service, Some(2), || service.append(numbered(2..3, 70)));
    let third = third.into_iter().next().unwrap().unwrap().id;
    assert!(second < third, "{second} and {third}");
}
