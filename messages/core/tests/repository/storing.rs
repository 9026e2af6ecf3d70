//! Rules 8 to 12: references, order, age, pending fan-outs, registry versions.

use futures_util::FutureExt;
use messages_core::{
    apply::{Batch, Claim, DEVICES, Part, Unit},
    key::{self, Table},
    repository::{Refused, Repository, RepositoryError},
};

use crate::harness::*;

#[test]
fn a_message_goes_to_every_other_device_of_recipient_and_sender() {
    for service in [Service::of_one(), Service::of_three()] {
        let owed = [("bob", "laptop"), ("bob", "phone"), ("alice", "tab")];
        for (name, of) in owed.into_iter().chain([("alice", "phone"), ("carol", "phone")]) {
            assert!(service.register(name, of));
        }
        let hi = message("alice/phone", "bob", "1", 0, "hi");
        let stored = service.store(&hi).unwrap();
        assert_eq!((stored.id, &stored.devices[..]), (hi.id, &owed.map(device_of)[..]));
        let pushed = hi.message.clone().into_message(hi.id, stored.conversation);
        for (name, of) in owed {
            assert_eq!(service.inbox(name, of).messages, std::slice::from_ref(&pushed));
        }
        for name in ["alice", "carol"] {
            assert_eq!(service.waiting(name, "phone"), []);
        }
        assert_eq!(service.store(&hi), Ok(stored), "a repetition tells the same devices");
    }
}

#[test]
fn a_device_of_the_sender_that_registers_meanwhile_gets_the_message_too() {
    let service = Service::of_one();
    service.register("alice", "phone");
    service.replica().before_next_write(|view| register_in(view, "alice", "tab"));
    let hi = message("alice/phone", "bob", "1", 0, "hi");
    assert_eq!(service.store(&hi).unwrap().devices, [device_of(("alice", "tab"))]);
    assert_eq!(service.waiting("alice", "tab"), [hi.id]);
}

#[test]
fn a_message_to_oneself_goes_to_the_other_devices() {
    let service = Service::of_one();
    service.register("alice", "phone");
    service.register("alice", "laptop");
    let note = message("alice/phone", "alice", "1", 0, "milk");
    assert_eq!(service.store(&note).unwrap().devices, [device_of(("alice", "laptop"))]);
    assert_eq!(service.waiting("alice", "phone"), []);
    assert_eq!(service.waiting("alice", "laptop"), [note.id]);
}

#[test]
fn a_message_to_somebody_without_devices_is_in_the_archive() {
    let service = Service::of_one();
    let hi = message("alice", "bob", "1", 0, "hi");
    assert_eq!(service.store(&hi).unwrap().devices, []);
    assert_eq!(service.all(everything(), NOW).len(), 1);
    service.register("bob", "phone");
    assert_eq!(service.waiting("bob", "phone"), []);
}

#[test]
fn a_repeated_reference_answers_the_same_and_stores_nothing() {
    let service = Service::of_one();
    service.register("bob", "phone");
    let first = message("alice", "bob", "1", 0, "hi");
    let stored = service.store(&first).unwrap();
    service.acknowledge("bob", "phone", [first.id]);
    let before = service.replica().view();
    let again = message("alice", "bob", "1", 700, "hi");
    assert_eq!(service.store(&again), Ok(stored));
    assert_eq!(service.replica().view(), before);
}

#[test]
fn a_reference_for_other_content_is_a_conflict_until_it_is_forgotten() {
    let service = Service::of_one();
    service.store(&message("alice", "bob", "1", 0, "hi")).unwrap();
    for other in [message("alice", "bob", "1", 5, "ho"), message("alice", "carol", "1", 5, "hi")] {
        assert_eq!(service.store(&other), Err(Refused::ReferenceConflict));
    }
    // Another device's references are its own.
    service.store(&message("alice/laptop", "bob", "1", 5, "ho")).unwrap();
    let week = 7 * 24 * 3600 * 1000 + 1;
    service.replica().set_now(NOW + week);
    service.store(&message("alice", "bob", "1", week as i64, "ho")).unwrap();
}

#[test]
fn a_lower_id_of_the_same_device_and_conversation_is_refused_with_the_highest() {
    let service = Service::of_one();
    let high = message("alice/phone", "bob", "1", 10, "one");
    service.store(&high).unwrap();
    let low = message("alice/phone", "bob", "2", 9, "two");
    assert_eq!(service.store(&low), Err(Refused::OutOfOrder(high.id)));
    // Others have orders of their own.
    service.store(&message("alice/laptop", "bob", "2", 9, "two")).unwrap();
    service.store(&message("alice/phone", "carol", "3", 9, "two")).unwrap();
    service.store(&message("bob/phone", "alice", "2", 9, "two")).unwrap();
}

#[test]
fn after_a_refused_message_the_later_ones_of_its_device_are_refused_alike() {
    let service = Service::of_one();
    let high = message("alice", "bob", "1", 10, "one");
    service.store(&high).unwrap();
    let outcomes = service.append(vec![
        message("alice", "bob", "2", 9, "two"),
        message("alice", "bob", "3", 11, "three"),
        message("alice", "carol", "4", 11, "to another"),
    ]);
    let refused = Err(Refused::OutOfOrder(high.id));
    assert_eq!(outcomes[..2], [refused.clone(), refused]);
    assert!(outcomes[2].is_ok());
    // A conflict is about its own message alone.
    let outcomes = service.append(vec![
        message("alice", "bob", "1", 12, "other"),
        message("alice", "bob", "3", 13, "three"),
    ]);
    assert_eq!(outcomes[0], Err(Refused::ReferenceConflict));
    assert!(outcomes[1].is_ok());
}

#[test]
fn ids_far_from_the_clock_are_refused() {
    let service = Service::of_one();
    for (millis, outcome) in [
        (-60_001, Err(Refused::TooOld)),
        (60_001, Err(Refused::TooNew)),
        (-60_000, Ok(())),
        (60_000, Ok(())),
    ] {
        let append = message("alice", "bob", &format!("r{millis}"), millis, "hi");
        assert_eq!(service.store(&append).map(|_| ()), outcome, "{millis}");
    }
}

#[test]
fn a_device_that_registers_meanwhile_gets_the_message_too() {
    let service = Service::of_one();
    service.register("bob", "phone");
    service.replica().before_next_write(|view| register_in(view, "bob", "laptop"));
    let hi = message("alice", "bob", "1", 0, "hi");
    let stored = service.store(&hi).unwrap();
    assert_eq!(stored.devices, [("bob", "laptop"), ("bob", "phone")].map(device_of));
    assert_eq!(service.waiting("bob", "laptop"), [hi.id]);
    assert_eq!(service.all(everything(), NOW).len(), 1);
}

#[test]
fn what_was_acknowledged_before_the_storing_was_done_does_not_come_back() {
    let service = Service::of_one();
    service.register("bob", "phone");
    service.register("alice", "phone");
    service.replica().before_next_write(|view| register_in(view, "alice", "tab"));
    service.replica().die_after(1);
    let hi = message("alice/phone", "bob", "1", 0, "hi");
    service.store(&hi).unwrap_err();
    service.replica().die_after(u64::MAX);
    let early = service.waiting("bob", "phone");
    service.acknowledge("bob", "phone", early.clone());
    service.store(&hi).unwrap();
    assert_eq!([early, service.waiting("bob", "phone")].concat(), [hi.id]);
    assert_eq!(service.waiting("alice", "tab"), [hi.id]);
}

/// The service dies between the home and the inboxes.
fn half_stored(service: &Service) -> messages_core::repository::Append {
    let hi = message("alice", "bob", "1", 0, "hi");
    let home =
        Part::Home { id: hi.id, message: hi.message.clone(), claim: Claim::First, group: None };
    let replies = service.replica().apply_alone(Batch(vec![Unit(vec![home])]));
    assert_eq!(replies[0].stop, None);
    assert_eq!(service.waiting("bob", "phone"), []);
    hi
}

fn fan_outs(service: &Service) -> usize {
    let view = service.replica().view();
    view.map().keys().filter(|key| Table::of(key) == Some(Table::FanOut)).count()
}

#[test]
fn a_pending_message_is_finished_by_whoever_finds_it() {
    let service = Service::of_one();
    service.register("bob", "phone");
    let hi = half_stored(&service);
    assert_eq!(service.finish_pending(hi.id), 0, "it is not old enough");
    let later = message("x", "y", "z", 1, "").id;
    assert_eq!(service.finish_pending(later), 1);
    assert_eq!(service.waiting("bob", "phone"), [hi.id]);
    assert_eq!((service.finish_pending(later), fan_outs(&service)), (0, 0));
}

#[test]
fn a_pending_message_is_finished_also_when_its_time_is_over() {
    let service = Service::of_one();
    service.register("bob", "phone");
    let hi = half_stored(&service);
    let month = 30 * 24 * 3600 * 1000;
    service.replica().set_now(NOW + month);
    assert_eq!(service.finish_pending(message("x", "y", "z", month as i64, "").id), 1);
    assert_eq!(service.waiting("bob", "phone"), [hi.id]);
    assert_eq!(fan_outs(&service), 0);
}

#[test]
fn a_repeat_of_a_pending_message_appends_again_under_its_first_id() {
    let service = Service::of_one();
    service.register("bob", "phone");
    let hi = half_stored(&service);
    let again = message("alice", "bob", "1", 50, "hi");
    let stored = service.store(&again).unwrap();
    assert_eq!((stored.id, &stored.devices[..]), (hi.id, &[device_of(("bob", "phone"))][..]));
    assert_eq!(service.waiting("bob", "phone"), [hi.id]);
    assert_eq!((service.all(everything(), NOW).len(), fan_outs(&service)), (1, 0));
}

#[test]
fn what_was_acknowledged_does_not_come_back_when_its_send_is_repeated() {
    let service = Service::of_one();
    service.register("bob", "phone");
    half_stored(&service);
    let hi = message("alice", "bob", "1", 0, "hi");
    service.store(&hi).unwrap();
    service.acknowledge("bob", "phone", [hi.id]);
    service.store(&hi).unwrap();
    service.finish_pending(message("x", "y", "z", 1, "").id);
    assert_eq!(service.waiting("bob", "phone"), []);
}

#[test]
fn a_direct_message_costs_at_most_six_records() {
    let service = Service::of_one();
    service.register("bob", "phone");
    service.store(&message("alice", "bob", "0", 0, "hi")).unwrap();
    let before = service.replica().view().map().len();
    for n in 1..=100 {
        service.store(&message("alice", "bob", &n.to_string(), n, "hi")).unwrap();
    }
    let records = service.replica().view().map().len() - before;
    assert_eq!(records, 400, "archive, index, reference, inbox");
}

#[test]
fn a_user_has_so_many_devices_and_no_more() {
    let service = Service::of_one();
    for n in 0..DEVICES {
        assert!(service.register("bob", &format!("d{n}")));
        assert!(!service.register("bob", &format!("d{n}")), "it is known");
    }
    let one_more = service.quorum.register(user("bob"), device("one-more"), NOW);
    assert_eq!(one_more.now_or_never().unwrap(), Err(RepositoryError::TooManyDevices));
    assert!(!service.register("bob", "d3"));
}

#[test]
fn a_damaged_record_stops_its_own_message_alone() {
    let service = Service::of_one();
    put(service.replica(), key::registry(&user("bob")), vec![1, 0, 0xff]);
    put(
        service.replica(),
        key::participation(&user("carol"), conversation("alice", "carol")),
        vec![],
    );
    let outcomes = service.append(vec![
        message("alice", "carol", "1", 0, "damaged participation"),
        message("alice", "dave", "2", 0, "fine"),
    ]);
    assert!(
        matches!(&outcomes[0], Err(Refused::Unavailable(text)) if text.contains("Participation"))
    );
    assert!(outcomes[1].is_ok());
    let to_bob = service.store(&message("alice", "bob", "3", 1, "damaged registry"));
    assert!(matches!(to_bob, Err(Refused::Unavailable(text)) if text.contains("Registry")));
}
