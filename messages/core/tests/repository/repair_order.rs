//! The order of a device's messages, whatever repair has given to whom by then.

use chatcluster_protocol::id::MessageId;
use futures_util::FutureExt;
use messages_core::{
    key,
    repair::Pass,
    repository::{Append, Repository},
};
use proptest::prelude::*;

use crate::harness::*;

/// Tombstones from before now are not old enough.
const NOTHING: u64 = 0;

#[derive(Debug, Clone)]
enum Late {
    /// The next messages come to one replica alone.
    Alone {
        on: usize,
        count: usize,
    },
    /// They are sent with one away, and those that are stored are answered.
    Send {
        away: Option<usize>,
        count: usize,
    },
    /// Replicas are compared a bit further.
    Compare {
        steps: usize,
        away: Option<usize>,
    },
    Empty {
        which: usize,
    },
    /// What is pending is finished by whoever finds it.
    Finish {
        away: Option<usize>,
    },
}

fn late() -> impl Strategy<Value = Late> {
    let away = || prop::option::weighted(0.7, 0usize..3);
    prop_oneof![
        4 => (0usize..3, 1usize..4).prop_map(|(on, count)| Late::Alone { on, count }),
        3 => (away(), 1usize..4).prop_map(|(away, count)| Late::Send { away, count }),
        4 => (1usize..20, away()).prop_map(|(steps, away)| Late::Compare { steps, away }),
        1 => (0usize..3).prop_map(|which| Late::Empty { which }),
        2 => away().prop_map(|away| Late::Finish { away }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// P3: whatever came to one replica alone before, and whatever repair has given to the others of it by then, the
    /// ids that a device is told rise in its order.
    #[test]
    fn the_senders_order_holds_whatever_was_given_in_between(
        steps in prop::collection::vec(late(), 0..25),
    ) {
        const ALL: usize = 6;
        let service = Service::of_three();
        service.register("bob", "phone");
        let (mut told, mut at) = (Vec::new(), 0);
        let mut pass = Pass::new(3);
        // What the sender repeats, until it is answered, under new ids each time.
        let batch = |told: &Vec<MessageId>, count: usize, at: i64| -> Vec<Append> {
            let names = (told.len()..ALL).take(count).zip(at..);
            names.map(|(n, at)| message("alice", "bob", &format!("r{n}"), at, "hi")).collect()
        };
        let ends = [Late::Send { away: None, count: ALL }, Late::Send { away: None, count: ALL }];
        for step in steps.into_iter().chain(ends) {
            at += 10;
            match step {
                Late::Alone { on, count } => {
                    service.replicas[on].comes_late(batch(&told, count, at));
                }
                Late::Send { away, count } => {
                    let batch = batch(&told, count, at);
                    let outcomes = with_away(&service, away, || service.append(batch));
                    let stored = outcomes.into_iter().map_while(Result::ok);
                    told.extend(stored.map(|stored| stored.id));
                }
                Late::Compare { steps, away } => with_away(&service, away, || {
                    for _ in 0..steps {
                        match pass.step(&service.quorum, NOTHING).now_or_never().unwrap() {
                            Ok(true) => {}
                            Ok(false) | Err(_) => pass = Pass::new(3),
                        }
                    }
                }),
                Late::Finish { away } => {
                    let call = || service.quorum.finish_pending(MessageId::MAX).now_or_never();
                    let _ = with_away(&service, away, call).unwrap();
                }
                Late::Empty { which } => {
                    let attendance = with_away(&service, None, || service.attend().unwrap());
                    if attendance.joining.is_empty() {
                        service.replicas[which].empty();
                    }
                }
            }
        }
        prop_assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    }
}

#[test]
fn messages_that_came_in_the_middle_of_a_pass_are_given_from_the_first_on() {
    const BEFORE: i64 = 600;
    let service = Service::of_three();
    // Another one writes in the same conversation, so that one stretch does not hold it.
    let others: Vec<_> =
        (0..BEFORE).map(|n| message("bob", "alice", &format!("o{n}"), 10 * n, "hi")).collect();
    let boundary = {
        for some in others.chunks(100) {
            assert!(service.append(some.to_vec()).iter().all(Result::is_ok));
        }
        let mut pass = Pass::new(3);
        assert_eq!(pass.step(&service.quorum, NOTHING).now_or_never(), Some(Ok(true)));
        // A late pod's batch comes to one replica alone, to both sides of where the pass has come to.
        let ends = pass.next_key().unwrap().to_vec();
        let at = others
            .iter()
            .position(|append| key::archive(append.message.conversation(), append.id) >= ends);
        let at = 10 * i64::try_from(at.unwrap()).unwrap();
        let batch = vec![
            message("alice", "bob", "1", at - 15, "hi"),
            message("alice", "bob", "2", at + 5, "hi"),
        ];
        service.replicas[0].comes_late(batch.clone());
        assert_eq!(pass.step(&service.quorum, NOTHING).now_or_never(), Some(Ok(true)));
        batch
    };
    for replica in &service.replicas {
        let has = |append: &Append| {
            let key = key::archive(append.message.conversation(), append.id);
            replica.view().map().contains_key(&key)
        };
        assert!(boundary.iter().all(has));
    }
}
