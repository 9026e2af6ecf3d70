//! Devices that leave: removed, or unused for long, with one replica and with three.

use chatcluster_protocol::id::{DeviceId, UserId};
use messages_core::{
    apply::{self, Batch, Effect, Part, Unit},
    key,
    record::{self, Delivered, Registry},
    view::{Scan, View},
};
use proptest::prelude::*;

use crate::harness::*;

/// What the device of a user has in any replica: entries, receipts, acknowledgements, departures.
fn left(service: &Service, name: &str, of: &str) -> usize {
    let (user, device) = (user(name), device(of));
    let prefixes = [
        key::inboxes(&user, &device),
        key::receipts(&user, &device),
        key::departures(&user, &device),
        key::delivered_to(&user),
    ];
    let views = service.replicas.iter().map(MemoryReplica::view);
    let mut left = 0;
    for view in views {
        for prefix in &prefixes {
            let rows = view.scan(&Scan::prefix(prefix.clone(), usize::MAX)).unwrap().rows;
            left += rows.iter().filter(|(key, value)| holds(key, value, of)).count();
        }
    }
    left
}

fn holds(key: &[u8], value: &[u8], of: &str) -> bool {
    match key::Table::of(key) {
        Some(key::Table::Delivered) => record::decode::<Delivered>(key, value)
            .unwrap()
            .is_some_and(|delivered| delivered.acknowledged.contains_key(&device(of))),
        _ => !record::is_tombstone(value),
    }
}

/// Bob's phone and laptop, each owed `count` messages and a receipt; both have acknowledged another one.
fn filled(service: &Service, count: i64) {
    for (name, of) in [("bob", "phone"), ("bob", "laptop"), ("alice", "phone")] {
        service.register(name, of);
    }
    let kept = service.store(&message("alice", "bob", "kept", 0, "hi")).unwrap().id;
    for of in ["phone", "laptop"] {
        service.acknowledge("bob", of, [kept]);
    }
    let sent = service.store(&message("bob/tablet", "alice", "sent", 1, "hi")).unwrap().id;
    service.acknowledge("alice", "phone", [sent]);
    for of in ["phone", "laptop"] {
        service.acknowledge("bob", of, [sent]);
    }
    for n in 0..count {
        let append = message("alice", "bob", &format!("r{n}"), 2 + n, "hi");
        assert_eq!(service.store(&append).unwrap().devices.len(), 2);
    }
}

fn bobs(of: &str) -> (UserId, DeviceId) {
    (user("bob"), device(of))
}

fn both(test: impl Fn(Service)) {
    test(Service::of_one());
    test(Service::of_three());
}

#[test]
fn a_removed_device_is_gone_with_all_that_it_was_owed_and_the_others_keep_theirs() {
    both(|service| {
        filled(&service, 5);
        assert!(left(&service, "bob", "phone") > 5);
        assert_eq!(service.remove("bob", "phone"), Ok(true));
        assert_eq!(left(&service, "bob", "phone"), 0);
        assert_eq!(service.devices("bob"), Some(vec!["laptop".into()]));
        assert_eq!(service.waiting("bob", "laptop").len(), 5);
        assert_eq!(service.inbox("bob", "laptop").receipts.len(), 1);
        let later = service.store(&message("alice", "bob", "later", 99, "hi")).unwrap();
        assert_eq!(later.devices, [bobs("laptop")]);
        assert_eq!(service.remove("bob", "phone"), Ok(false), "it is gone already");
        assert_eq!(service.remove("nobody", "phone"), Ok(false));
        assert_eq!((service.devices("nobody"), left(&service, "bob", "phone")), (None, 0));
    });
}

#[test]
fn a_removed_device_that_comes_back_is_new_with_an_empty_inbox() {
    both(|service| {
        filled(&service, 3);
        assert_eq!(service.seen("bob", &["phone", "laptop"]), [true, true]);
        service.remove("bob", "phone").unwrap();
        assert_eq!(service.seen("bob", &["phone", "laptop"]), [false, true]);
        assert_eq!(service.devices("bob").unwrap().len(), 1, "asking makes no device known");
        assert!(service.register("bob", "phone"));
        assert!(!service.register("bob", "phone"));
        assert_eq!(service.waiting("bob", "phone"), []);
        let later = service.store(&message("alice", "bob", "later", 99, "hi")).unwrap();
        assert_eq!(service.waiting("bob", "phone"), [later.id]);
        // It may leave and come back any number of times.
        service.remove("bob", "phone").unwrap();
        assert!(service.register("bob", "phone"));
        assert_eq!(service.waiting("bob", "phone"), []);
    });
}

/// Repair, or a call beside it, brings what one replica has written of the registration to another one that has it
/// still before itself.
#[test]
fn a_device_is_told_that_it_is_new_though_a_replica_heard_of_it_before_the_call_came_there() {
    let service = Service::of_three();
    filled(&service, 1);
    service.remove("bob", "phone").unwrap();
    service.replicas[1].before_next_write(|view| {
        let (known, issued) = (Some(Registry::default()), Some(u64::MAX));
        let part = Part::Register { user: user("bob"), device: device("phone"), known, issued };
        let replies = apply::apply(view, &Batch(vec![Unit(vec![part])]), NOW).unwrap();
        assert_eq!(replies[0].effects, [Effect::Registered { created: true }]);
    });
    assert!(service.register("bob", "phone"));
    assert!(!service.register("bob", "phone"));
}

#[test]
fn a_removed_device_makes_room_for_another_one() {
    both(|service| {
        for n in 0..messages_core::apply::DEVICES {
            service.register("bob", &format!("d{n}"));
        }
        service.remove("bob", "d3").unwrap();
        assert!(service.register("bob", "one-more"));
    });
}

/// The service dies behind each of its writes in turn. Whoever comes next finishes what it had begun: a
/// repetition, another pod that looks for it, or the device itself when it is back.
#[test]
fn a_removal_that_died_half_way_is_finished_by_whoever_comes_next() {
    let finish: [fn(&Service); 3] = [
        |service| assert_eq!(service.remove("bob", "phone"), Ok(true)),
        |service| assert_eq!(service.finish_removals(NOW + 1), 1),
        |service| assert!(service.register("bob", "phone")),
    ];
    for finish in finish {
        for make in [Service::of_one, Service::of_three] {
            for writes in 1.. {
                let service = make();
                filled(&service, 1200);
                let die_after =
                    |writes| service.replicas.iter().for_each(|replica| replica.die_after(writes));
                die_after(writes);
                if service.remove("bob", "phone").is_ok() {
                    assert!(writes > 5, "bounded transactions, and more than a few of them");
                    break;
                }
                die_after(u64::MAX);
                assert_eq!(service.devices("bob"), Some(vec!["laptop".into()]));
                assert!(left(&service, "bob", "phone") > 0);
                finish(&service);
                assert_eq!(left(&service, "bob", "phone"), 0, "after {writes} writes");
                assert_eq!(service.waiting("bob", "phone"), []);
                assert_eq!(service.finish_removals(NOW + 1), 0);
            }
        }
    }
}

/// What reached one replica alone, of the three.
fn alone(service: &Service, at: usize, part: Part) {
    service.replicas[at].apply_alone(Batch(vec![Unit(vec![part])]));
}

fn without(service: &Service, away: Option<usize>) {
    service.replicas.iter().enumerate().for_each(|(at, r)| r.set_away(Some(at) == away));
}

fn register_part(of: &str) -> Part {
    Part::Register { user: user("bob"), device: device(of), known: None, issued: Some(NOW) }
}

#[test]
fn a_removal_that_reached_one_replica_is_carried_out_by_a_repetition() {
    for (at, away) in [(0, 2), (1, 0), (2, 1), (2, 0)] {
        let service = Service::of_three();
        service.register("bob", "phone");
        let (user, name) = (user("bob"), device("phone"));
        let leave = Part::Unregister { user, device: name, known: None, unseen_since: None };
        alone(&service, at, leave);
        without(&service, Some(away));
        assert_eq!(service.remove("bob", "phone"), Ok(true), "{at}, {away}");
        for away in 0..3 {
            without(&service, Some(away));
            assert_eq!(service.devices("bob"), Some(vec![]), "without {away}");
        }
    }
}

/// Two devices register at the same moment, one of them on one replica only. What is stored meanwhile was
/// told of that one, and waits for the other one all the same.
#[test]
fn an_append_that_was_told_of_another_change_asks_again() {
    let service = Service::of_three();
    service.register("bob", "phone");
    alone(&service, 2, register_part("lone"));
    alone(&service, 0, register_part("laptop"));
    service.replicas[1].before_next_write(|view| {
        messages_core::apply::apply(view, &Batch(vec![Unit(vec![register_part("laptop")])]), NOW)
            .unwrap();
    });
    without(&service, Some(0));
    let stored = service.store(&message("alice", "bob", "x", 50, "hi")).unwrap();
    assert!(stored.devices.contains(&bobs("laptop")), "{stored:?}");
}

#[test]
fn an_append_that_was_not_told_that_a_device_left_asks_again() {
    let service = Service::of_three();
    service.register("bob", "phone");
    alone(&service, 2, register_part("lone"));
    let leave = || {
        let (user, device) = (user("bob"), device("phone"));
        Part::Unregister { user, device, known: None, unseen_since: None }
    };
    alone(&service, 0, leave());
    service.replicas[1].before_next_write(move |view| {
        messages_core::apply::apply(view, &Batch(vec![Unit(vec![leave()])]), NOW).unwrap();
    });
    without(&service, Some(0));
    let stored = service.store(&message("alice", "bob", "x", 50, "hi")).unwrap();
    assert!(!stored.devices.contains(&bobs("phone")), "{stored:?}");
}

/// A replica that has missed that a device left does not hold up what is stored.
#[test]
fn a_replica_that_has_missed_a_removal_learns_of_it() {
    let service = Service::of_three();
    service.register("bob", "phone");
    service.register("bob", "laptop");
    without(&service, Some(0));
    service.remove("bob", "phone").unwrap();
    without(&service, Some(2));
    let stored = service.store(&message("alice", "bob", "x", 50, "hi")).unwrap();
    assert_eq!(stored.devices, [bobs("laptop")]);
}

/// A message is on one replica and on its way to a slow one when the device is removed. Who reads the slow one
/// and the third sees nothing of it, and in the end it is on a majority.
#[test]
fn what_is_on_its_way_to_a_slow_replica_does_not_outlive_the_device() {
    for (slow, first) in (0..3).flat_map(|slow| [1, 2].map(|next| (slow, (slow + next) % 3))) {
        let service = Service::of_three();
        service.register("bob", "phone");
        service.replicas[slow].fall_behind();
        without(&service, Some(3 - slow - first));
        let append = message("alice", "bob", "x", 50, "hi");
        assert!(service.store(&append).is_err(), "it has come to one of three in time");
        without(&service, None);
        assert_eq!(service.remove("bob", "phone"), Ok(true));
        service.replicas[slow].catch_up();
        assert_eq!(left(&service, "bob", "phone"), 0, "slow {slow}, first {first}");
        assert!(service.register("bob", "phone"));
        assert_eq!(service.waiting("bob", "phone"), []);
    }
}

/// That a device is here comes to one replica late: that one knows already that it was removed, and nothing is
/// cleared yet.
#[test]
fn a_late_word_that_a_device_is_here_does_not_bring_it_back() {
    for slow in 0..2 {
        let service = Service::of_three();
        filled(&service, 3);
        let replica = service.replicas[slow].clone();
        replica.fall_behind();
        assert!(!service.comes("bob", "phone", NOW).created);
        let late = replica.late();
        assert_eq!(late.len(), 1);
        // The next replica is asked after it.
        service.replicas[slow + 1].before_next_write(move |_| {
            for batch in late {
                replica.apply_alone(batch);
            }
        });
        assert_eq!(service.remove("bob", "phone"), Ok(true));
        assert_eq!(left(&service, "bob", "phone"), 0, "slow {slow}");
        assert_eq!(service.devices("bob"), Some(vec!["laptop".into()]));
        assert!(service.register("bob", "phone"));
        assert_eq!(service.waiting("bob", "phone"), []);
    }
}

/// That a device is to leave comes to one replica late: it is back by then.
#[test]
fn a_late_removal_leaves_a_device_alone_that_is_back() {
    for slow in 0..3 {
        let service = Service::of_three();
        filled(&service, 3);
        let replica = &service.replicas[slow];
        replica.fall_behind();
        assert_eq!(service.remove("bob", "phone"), Ok(true));
        let late = replica.late();
        assert!(service.register("bob", "phone"));
        for batch in late {
            replica.apply_alone(batch);
        }
        for away in 0..3 {
            without(&service, Some(away));
            assert_eq!(service.seen("bob", &["phone"]), [true], "slow {slow}, without {away}");
            assert_eq!(service.waiting("bob", "phone"), []);
        }
    }
}

/// Somebody removes it, and dies, between the look for it and the write that says that it is here.
#[test]
fn a_device_that_is_removed_while_it_says_that_it_is_here_is_new() {
    both(|service| {
        filled(&service, 3);
        for replica in &service.replicas {
            replica.before_next_write(|view| {
                let (user, device) = bobs("phone");
                let leave = Part::Unregister { user, device, known: None, unseen_since: None };
                messages_core::apply::apply(view, &Batch(vec![Unit(vec![leave])]), NOW).unwrap();
            });
        }
        assert!(service.register("bob", "phone"));
        assert_eq!(service.waiting("bob", "phone"), []);
    });
}

/// Replicas have forgotten at different times that the device left: who asks those that know is answered.
#[test]
fn a_removal_that_died_half_way_is_finished_after_weeks_too() {
    let service = Service::of_three();
    filled(&service, 3);
    let die_after = |writes| service.replicas.iter().for_each(|replica| replica.die_after(writes));
    die_after(1);
    assert!(service.remove("bob", "phone").is_err());
    die_after(u64::MAX);
    let later = NOW + 2 * messages_core::apply::LEFT;
    service.replicas.iter().for_each(|replica| replica.set_now(later));
    // Two of them forget it as they write this.
    without(&service, Some(0));
    assert!(service.register("bob", "tablet"));
    for away in [2, 1] {
        without(&service, Some(away));
        service.finish_removals(later);
    }
    without(&service, None);
    assert_eq!(service.finish_removals(later), 0);
    assert_eq!(service.waiting("bob", "phone"), []);
    assert!(service.register("bob", "phone"));
}

/// What is remembered of devices that have left stays bounded.
#[test]
fn devices_that_have_left_are_forgotten() {
    both(|service| {
        for n in 0..50 {
            let at = NOW + n * messages_core::apply::LEFT / 10;
            service.replicas.iter().for_each(|replica| replica.set_now(at));
            assert!(service.register("bob", &format!("d{n}")));
            assert_eq!(service.remove("bob", &format!("d{n}")), Ok(true));
        }
        let view = service.replica().view();
        let key = key::registry(&user("bob"));
        let value = view.get(&key).unwrap().unwrap();
        let registry: record::Registry = record::decode(&key, &value).unwrap().unwrap();
        assert!(registry.left.len() <= 11, "{}", registry.left.len());
        assert!(service.register("bob", "d0"));
        assert_eq!(service.remove("bob", "d0"), Ok(true));
    });
}

#[test]
fn an_append_that_named_a_device_which_left_meanwhile_asks_again() {
    let service = Service::of_one();
    filled(&service, 0);
    service.replica().before_next_write(|view| {
        let (user, device, known) = (user("bob"), device("phone"), None);
        let leave = Part::Unregister { user, device, known, unseen_since: None };
        messages_core::apply::apply(view, &Batch(vec![Unit(vec![leave])]), NOW).unwrap();
    });
    let stored = service.store(&message("alice", "bob", "x", 50, "hi")).unwrap();
    assert_eq!(stored.devices, [bobs("laptop")]);
    assert!(!service.waiting("bob", "phone").contains(&stored.id));
}

#[test]
fn devices_that_nobody_used_expire_and_those_in_use_stay() {
    const DAY: u64 = 24 * 3_600_000;
    both(|service| {
        let at = |now: u64| service.replicas.iter().for_each(|replica| replica.set_now(now));
        for n in 0..300 {
            service.register(&format!("user{n:03}"), "phone");
        }
        service.register("user007", "laptop");
        service.register("user299", "laptop");
        at(NOW + 5 * DAY);
        assert!(!service.register("user007", "phone"));
        assert_eq!(service.seen("user299", &["phone"]), [true]);
        let message = message("alice", "user007", "1", (5 * DAY) as i64, "hi");
        service.store(&message).unwrap();
        at(NOW + 6 * DAY);
        assert_eq!(service.expire(NOW + 5 * DAY), 300);
        assert_eq!(service.devices("user000"), Some(vec![]));
        for name in ["user007", "user299"] {
            assert_eq!(service.devices(name), Some(vec!["phone".into()]));
        }
        assert_eq!(left(&service, "user007", "laptop"), 0);
        assert_eq!(service.waiting("user007", "phone").len(), 1);
        assert_eq!(service.expire(NOW + 5 * DAY), 0);
    });
}

/// The device is seen between the sweep's look and its write: it stays, on however many replicas.
#[test]
fn a_device_that_comes_back_while_it_expires_stays() {
    const DAY: u64 = 24 * 3_600_000;
    for of_three in [false, true] {
        let service = if of_three { Service::of_three() } else { Service::of_one() };
        service.register("bob", "phone");
        let back = |view: &mut messages_core::view::MemoryView| {
            let (user, device, known) = (user("bob"), device("phone"), None);
            let part = Part::Register { user, device, known, issued: None };
            messages_core::apply::apply(view, &Batch(vec![Unit(vec![part])]), NOW + 2 * DAY)
                .unwrap();
        };
        for replica in service.replicas.iter().take(2) {
            replica.before_next_write(back);
        }
        assert_eq!(service.expire(NOW + DAY), 0);
        for away in 0..service.replicas.len() {
            if of_three {
                service.replicas.iter().enumerate().for_each(|(at, r)| r.set_away(at == away));
            }
            assert_eq!(service.seen("bob", &["phone"]), [true], "without {away}");
            let append = message("alice", "bob", &format!("{away}"), away as i64, "hi");
            assert_eq!(service.store(&append).unwrap().devices, [bobs("phone")]);
        }
        service.replicas.iter().for_each(|replica| replica.set_away(false));
        service.finish_removals(NOW + 3 * DAY);
        assert_eq!(service.waiting("bob", "phone").len(), service.replicas.len());
    }
}

#[derive(Debug, Clone)]
enum Step {
    Register(usize),
    Remove(usize),
    Send,
    Finish,
}

fn step() -> impl Strategy<Value = (Step, Option<usize>)> {
    let step = prop_oneof![
        3 => (0usize..3).prop_map(Step::Register),
        2 => (0usize..3).prop_map(Step::Remove),
        4 => Just(Step::Send),
        1 => Just(Step::Finish),
    ];
    (step, prop::option::of(0usize..3))
}

proptest! {
    /// Whichever replica is away at each step: a message is owed to exactly the devices that were known
    /// when it came, until they leave.
    #[test]
    fn whichever_replica_is_away_a_message_waits_for_the_devices_that_are_known(
        steps in prop::collection::vec(step(), 0..30),
        away in prop::option::of(0usize..3),
    ) {
        const NAMES: [&str; 3] = ["phone", "laptop", "tablet"];
        let service = Service::of_three();
        let mut owed: [Option<Vec<_>>; 3] = [None, None, None];
        let set_away = |away: Option<usize>| {
            service.replicas.iter().enumerate().for_each(|(at, r)| r.set_away(Some(at) == away));
        };
        for (n, (step, away)) in (0..).zip(steps) {
            set_away(away);
            match step {
                Step::Register(at) => {
                    prop_assert_eq!(service.register("bob", NAMES[at]), owed[at].is_none());
                    owed[at].get_or_insert_default();
                }
                Step::Remove(at) => {
                    prop_assert_eq!(service.remove("bob", NAMES[at]), Ok(owed[at].is_some()));
                    owed[at] = None;
                }
                Step::Send => {
                    let append = message("alice", "bob", &format!("r{n}"), n, "hi");
                    let stored = service.store(&append).unwrap();
                    owed.iter_mut().flatten().for_each(|owed| owed.push(stored.id));
                }
                Step::Finish => prop_assert_eq!(service.finish_removals(NOW + 1), 0),
            }
        }
        set_away(away);
        for (at, owed) in owed.into_iter().enumerate() {
            prop_assert_eq!(service.waiting("bob", NAMES[at]), owed.unwrap_or_default());
        }
    }
}
