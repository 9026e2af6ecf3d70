//! Replicas that have missed something, or lost everything, and what they are given.

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::id::MessageId;
use futures_util::FutureExt;
use messages_core::{
    apply::{Batch, Inboxes, Part, Stop, Unit},
    key::{self, Key},
    record::{self, is_tombstone},
    repair::Pass,
    repository::Append,
};
use proptest::prelude::*;

use crate::harness::*;

/// Tombstones from before now are not old enough.
const NOTHING: u64 = 0;

fn alike(service: &Service) {
    let live = |replica: &MemoryReplica| -> BTreeMap<Key, Option<Vec<u8>>> {
        let rows = replica.view().map().clone().into_iter();
        rows.map(|(key, value)| (key, Some(value).filter(|value| !is_tombstone(value)))).collect()
    };
    let first = live(&service.replicas[0]);
    for other in &service.replicas[1..] {
        assert_eq!(live(other), first);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send {
        away: Option<usize>,
    },
    Acknowledge {
        away: Option<usize>,
        which: prop::sample::Index,
    },
    /// A replica loses its disk, unless another one has not been filled yet.
    Empty {
        which: usize,
    },
    Pass {
        away: Option<usize>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let away = || prop::option::weighted(0.6, 0usize..3);
    prop_oneof![
        4 => away().prop_map(|away| Step::Send { away }),
        3 => (away(), any::<prop::sample::Index>())
            .prop_map(|(away, which)| Step::Acknowledge { away, which }),
        1 => (0usize..3).prop_map(|which| Step::Empty { which }),
        1 => away().prop_map(|away| Step::Pass { away }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// P1 and P4 with replicas that lose all they have, one at a time: what was stored is there and what was removed
    /// is gone, whichever two are asked; and in the end all have the same.
    #[test]
    fn a_replica_that_lost_everything_is_filled_and_nothing_is_lost(
        steps in prop::collection::vec(step(), 0..40),
        away in prop::option::of(0usize..3),
    ) {
        let service = Service::of_three();
        service.register("bob", "phone");
        let (mut owed, mut stored) = (BTreeSet::new(), BTreeSet::new());
        let mut joining = None;
        for (n, step) in (0..).zip(steps) {
            match step {
                // The one that joins cannot stand in for another that is away.
                Step::Send { away } => {
                    let away = joining.or(away);
                    let append = message("alice", "bob", &format!("r{n}"), n, "hi");
                    let outcome = with_away(&service, away, || service.store(&append));
                    stored.insert(outcome.unwrap().id);
                    owed.insert(append.id);
                }
                Step::Acknowledge { away, which } if !owed.is_empty() => {
                    let away = joining.or(away);
                    let id = *which.get(&owed.iter().copied().collect::<Vec<_>>());
                    with_away(&service, away, || service.acknowledge("bob", "phone", [id]));
                    owed.remove(&id);
                }
                Step::Acknowledge { .. } => {}
                Step::Empty { which } if joining.is_none() => {
                    service.replicas[which].empty();
                    joining = Some(which);
                }
                Step::Empty { .. } => {}
                Step::Pass { away } => {
                    let done = with_away(&service, away, || service.pass(NOTHING));
                    match (joining, away) {
                        (Some(joining), Some(away)) if joining != away => {
                            prop_assert!(done.is_err(), "two do not vote");
                        }
                        (Some(_), Some(_)) | (None, _) => prop_assert!(done.unwrap().filled.is_empty()),
                        (Some(which), None) => {
                            let filled = done.unwrap().filled;
                            prop_assert_eq!(filled, [service.replicas[which].identity()]);
                            joining = None;
                        }
                    }
                }
            }
        }
        let away = joining.or(away);
        let (inbox, archive) = with_away(&service, away, || {
            (service.waiting("bob", "phone"), service.all(everything(), NOW))
        });
        prop_assert_eq!(inbox, owed.iter().copied().collect::<Vec<_>>());
        let archive: BTreeSet<_> = archive.iter().map(|message| message.message).collect();
        prop_assert_eq!(&archive, &stored);
        with_away(&service, None, || service.pass(NOTHING)).unwrap();
        alike(&service);
        let again = service.pass(NOTHING).unwrap();
        prop_assert_eq!((again.differed, again.given, again.trouble), (0, 0, None));
    }
}

#[test]
fn who_leaves_in_the_middle_is_not_let_in() {
    let service = Service::of_three();
    service.register("bob", "phone");
    for n in 0..10 {
        service.store(&message("alice", "bob", &format!("r{n}"), n, "hi")).unwrap();
    }
    service.replicas[1].empty();
    // It takes what it is given of the first tables, and then one thing more fails.
    service.replicas[1].die_after(2);
    let done = service.pass(NOTHING).unwrap();
    assert!(done.filled.is_empty() && done.given > 0, "{done:?}");
    assert_eq!(done.trouble.as_deref(), Some("the replica cannot be used: away"));
    service.replicas[1].die_after(u64::MAX);
    assert_eq!(service.attend().unwrap().joining, [service.replicas[1].identity()]);
    assert_eq!(service.pass(NOTHING).unwrap().filled, [service.replicas[1].identity()]);
    // Another one in its place is as new as the first was.
    let mut pass = Pass::new(3);
    for _ in 0..5 {
        assert_eq!(pass.step(&service.quorum, NOTHING).now_or_never(), Some(Ok(true)));
    }
    service.replicas[1].empty();
    while pass.step(&service.quorum, NOTHING).now_or_never().unwrap().unwrap() {}
    assert!(pass.progress().filled.is_empty());
    assert!(pass.progress().trouble.as_deref().is_some_and(|text| text.contains("took the place")));
}

#[test]
fn what_one_that_joins_has_alone_counts_for_nothing() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let append = message("alice", "bob", "1", 0, "hi");
    service.store(&append).unwrap();
    service.replicas[2].empty();
    // As if its disk had kept what everybody else has removed and forgotten.
    let alone =
        (key::receipt(&user("bob"), &device("phone"), MessageId::floor(NOW)), record::encode(1));
    service.replicas[2].apply_alone(Batch(vec![Unit(vec![Part::Join(vec![alone.clone()])])]));
    let done = service.pass(NOTHING).unwrap();
    assert_eq!((done.taken, done.filled.len()), (1, 1));
    alike(&service);

    // From then on nothing is taken from it.
    let [joined] = done.filled[..] else { panic!("{done:?}") };
    let rows = service.replicas[2].view().map().clone().into_iter().collect();
    let erase = Part::Erase { rows, joining: Some(joined) };
    let replies = service.replicas[2].apply_alone(Batch(vec![Unit(vec![erase])]));
    assert_eq!(replies[0].stop, Some(Stop::Votes));
    alike(&service);
}

#[test]
fn a_removal_is_forgotten_when_it_is_old_and_everybody_has_it() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let append = message("alice", "bob", "1", 0, "hi");
    service.store(&append).unwrap();
    let entry = key::inbox(&user("bob"), &device("phone"), append.id);
    let tombstones = || {
        let has = |replica: &&MemoryReplica| replica.view().map().contains_key(&entry);
        service.replicas.iter().filter(has).count()
    };
    // One has missed it.
    with_away(&service, Some(0), || service.acknowledge("bob", "phone", [append.id]));
    let done = service.pass(NOW + 1).unwrap();
    assert!(done.forgotten == 0 && tombstones() == 3, "{done:?}");
    service.replicas[0].set_away(false);
    // One that is old still tells whoever has missed it.
    let done = service.pass(NOW + 1).unwrap();
    assert!(done.given > 0, "{done:?}");
    assert!(service.waiting("bob", "phone").is_empty());
    assert_eq!(service.pass(NOW).unwrap().forgotten, 0, "it is not old yet");
    assert_eq!(tombstones(), 3);
    service.replicas[1].set_away(true);
    assert_eq!(service.pass(NOW + 1).unwrap().forgotten, 0, "one is not there");
    service.replicas[1].set_away(false);
    let done = service.pass(NOW + 1).unwrap();
    assert!(done.forgotten >= 3 && tombstones() == 0, "{done:?}");
    alike(&service);
    assert!(service.waiting("bob", "phone").is_empty());
}

/// Forgetting reaches one replica first: the others do not give back what it has forgotten.
#[test]
fn what_one_has_forgotten_already_is_not_given_to_it_again() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let append = message("alice", "bob", "1", 0, "hi");
    service.store(&append).unwrap();
    service.acknowledge("bob", "phone", [append.id]);
    let entry = key::inbox(&user("bob"), &device("phone"), append.id);
    let rows = vec![(entry.clone(), service.replicas[0].view().map()[&entry].clone())];
    let erase = Part::Erase { rows, joining: None };
    service.replicas[0].apply_alone(Batch(vec![Unit(vec![erase])]));
    // What else differs near it is mended.
    let other = message("alice", "bob", "2", 5, "hi");
    with_away(&service, Some(0), || service.store(&other)).unwrap();
    service.replicas[0].set_away(false);
    let done = service.pass(NOW + 1).unwrap();
    assert!(done.given > 0, "{done:?}");
    let map = service.replicas[0].view().map().clone();
    assert!(!map.contains_key(&entry));
    assert!(map.contains_key(&key::inbox(&user("bob"), &device("phone"), other.id)));
}

#[test]
fn a_table_of_many_stretches_is_compared_to_its_end() {
    const ALL: i64 = 3_000;
    let service = Service::of_three();
    service.register("bob", "phone");
    for from in (0..ALL).step_by(100) {
        let all = (from..from + 100).map(|n| message("alice", "bob", &format!("r{n}"), n, "hi"));
        // Each misses something else.
        let away = Some(usize::try_from(from / 100).unwrap() % 3);
        let stored = with_away(&service, away, || service.append(all.collect()));
        assert!(stored.iter().all(Result::is_ok));
    }
    with_away(&service, None, || {});
    let done = service.pass(NOTHING).unwrap();
    assert!(done.compared > 30 && done.given > ALL.unsigned_abs(), "{done:?}");
    alike(&service);
    service.replicas[1].empty();
    assert_eq!(service.pass(NOTHING).unwrap().filled.len(), 1);
    alike(&service);
    let again = service.pass(NOTHING).unwrap();
    assert_eq!((again.differed, again.given), (0, 0));
}

#[test]
fn a_record_that_cannot_be_read_stops_neither_the_rest_nor_lets_anybody_in() {
    let service = Service::of_three();
    service.register("alice", "phone");
    service.register("bob", "phone");
    service.replicas[2].empty();
    put(&service.replicas[0], key::registry(&user("alice")), vec![9, 9]);
    let done = service.pass(NOTHING).unwrap();
    assert!(done.trouble.as_deref().is_some_and(|text| text.contains("Registry")), "{done:?}");
    assert!(done.filled.is_empty(), "{done:?}");
}

/// A message without what decides about it would be taken for checked, and leftovers for what is owed.
#[test]
fn what_goes_by_a_record_that_cannot_be_read_is_not_given() {
    let append = message("alice", "bob", "1", 0, "hi");
    let Append { id, message } = &append;
    let reference = key::reference(&message.from, &message.device, &message.reference);
    let archived = key::archive(message.conversation(), *id);
    let entry = key::inbox(&user("bob"), &device("phone"), *id);
    for (broken, not_given) in [(reference, archived), (key::registry(&user("bob")), entry)] {
        let service = Service::of_three();
        service.register("bob", "phone");
        with_away(&service, Some(2), || service.store(&append)).unwrap();
        put(&service.replicas[0], broken.clone(), vec![9, 9]);
        service.replicas[2].set_away(false);
        let trouble = service.pass(NOTHING).unwrap().trouble;
        assert!(trouble.is_some_and(|text| text.contains("cannot be read")));
        assert!(!service.replicas[2].view().map().contains_key(&not_given), "{broken:?}");
    }
}

#[test]
fn a_fan_out_whose_reference_went_to_something_else_ends() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let lone = message("alice", "bob", "1", 0, "this");
    service.replicas[0].comes_late(vec![lone.clone()]);
    let other = message("alice", "bob", "1", 5, "that");
    service.replicas[0].set_away(true);
    service.store(&other).unwrap();
    service.replicas[0].set_away(false);
    service.pass(NOTHING).unwrap();
    service.finish_pending(MessageId::floor(NOW + 1_000));
    for replica in &service.replicas {
        let value = replica.view().map().get(&key::fan_out(lone.id)).cloned();
        assert!(value.is_some_and(|value| is_tombstone(&value)));
    }
}

#[test]
fn what_points_to_a_message_is_not_taken_before_it() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let append = message("alice", "bob", "1", 0, "hi");
    with_away(&service, Some(2), || service.store(&append)).unwrap();
    let rows = |replica: &MemoryReplica| replica.view().map().clone();
    let lacks = rows(&service.replicas[2]).len();
    let inbox = key::inbox(&user("bob"), &device("phone"), append.id);
    let row = (inbox.clone(), rows(&service.replicas[0])[&inbox].clone());
    service.replicas[2].apply_alone(Batch(vec![Unit(vec![Part::Join(vec![row])])]));
    assert_eq!(rows(&service.replicas[2]).len(), lacks);
    // With the message comes what decides about it, whatever becomes of the rest of the pass.
    service.replicas[2].set_away(false);
    let mut pass = Pass::new(3);
    assert_eq!(pass.step(&service.quorum, NOTHING).now_or_never(), Some(Ok(true)));
    let has = rows(&service.replicas[2]);
    let Append { id, message } = append;
    let conversation = message.conversation();
    let (from, of) = (&message.from, &message.device);
    assert!(has.contains_key(&key::archive(conversation, id)));
    assert!(has.contains_key(&key::reference(from, of, &message.reference)));
    assert!(has.contains_key(&key::order(from, of, conversation)));
    assert!(has.contains_key(&key::participation(from, conversation)));
    // A write that finds it there counts on these.
    assert!(has.contains_key(&key::index(id)));
    assert!(has.contains_key(&key::fan_out(id)));
    assert!(!has.contains_key(&inbox));
    while pass.step(&service.quorum, NOTHING).now_or_never().unwrap().unwrap() {}
    alike(&service);
}

#[test]
fn what_is_left_of_a_device_that_is_known_no_more_is_removed_and_not_given() {
    let service = Service::of_three();
    service.register("bob", "phone");
    service.register("bob", "tablet");
    let append = message("alice", "bob", "1", 0, "hi");
    // It comes to one replica alone, which is then away while the device is removed.
    let deliver = Part::Deliver {
        id: append.id,
        conversation: append.message.conversation(),
        from: append.message.from.clone(),
        to: vec![Inboxes {
            user: user("bob"),
            devices: vec![device("phone"), device("tablet")],
            version: 2,
        }],
    };
    service.replicas[0].comes_late(vec![append.clone()]);
    service.replicas[0].apply_alone(Batch(vec![Unit(vec![deliver])]));
    with_away(&service, Some(0), || service.remove("bob", "phone")).unwrap();
    service.replicas[0].set_away(false);
    for _ in 0..2 {
        service.pass(NOTHING).unwrap();
    }
    alike(&service);
    assert_eq!(service.waiting("bob", "tablet"), [append.id]);
    assert!(service.waiting("bob", "phone").is_empty());
}
