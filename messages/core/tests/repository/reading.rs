//! How far users have read, and who is told.

use std::collections::BTreeSet;

use chatcluster_protocol::id::{DeviceId, MessageId, UserId};
use messages_core::{
    record::MarkKind,
    repository::{MarkPlaced, Marked, Unmarked},
};

use crate::harness::*;

/// Alice, with two devices, has written to Bob, who has two devices, as many messages.
fn written(service: &Service, count: i64) -> Vec<MessageId> {
    for (name, of) in [("alice", "phone"), ("alice", "tablet"), ("bob", "phone"), ("bob", "laptop")]
    {
        service.register(name, of);
    }
    let store = |n| service.store(&message("alice", "bob", &format!("r{n}"), n, "hi")).unwrap().id;
    (0..count).map(store).collect()
}

fn told(marks: &[MarkPlaced]) -> BTreeSet<(UserId, DeviceId)> {
    let devices = |mark: &MarkPlaced| {
        let to = mark.to.clone();
        mark.devices.clone().into_iter().map(move |device| (to.clone(), device)).collect::<Vec<_>>()
    };
    marks.iter().flat_map(devices).collect()
}

/// The read receipts in an inbox: who has read, and how far.
fn waiting(service: &Service, name: &str, of: &str) -> Vec<(UserId, MessageId)> {
    let receipts = service.inbox(name, of).receipts.into_iter();
    let read = receipts.filter(|receipt| receipt.mark.kind == MarkKind::Read);
    read.map(|receipt| (receipt.mark.peer, receipt.mark.up_to)).collect()
}

#[test]
fn what_a_user_has_read_is_told_to_the_others_and_to_their_own_other_devices() {
    for service in [Service::of_one(), Service::of_three()] {
        let ids = written(&service, 3);
        let marked = service.read("bob/phone", "alice", ids[1]).unwrap();
        assert_eq!(marked.up_to, ids[1]);
        let all = [("alice", "phone"), ("alice", "tablet"), ("bob", "laptop")];
        assert_eq!(told(&marked.receipts), BTreeSet::from(all.map(device_of)));
        for (name, of) in all {
            assert_eq!(waiting(&service, name, of), [(user("bob"), ids[1])], "{name} {of}");
        }
        assert_eq!(waiting(&service, "bob", "phone"), []);
    }
}

#[test]
fn a_mark_only_rises_and_a_newer_receipt_takes_the_place_of_an_older_one() {
    for service in [Service::of_one(), Service::of_three()] {
        let ids = written(&service, 3);
        let mut receipts = Vec::new();
        for (up_to, mark) in [(1, 1), (0, 1), (2, 2), (1, 2)] {
            let marked = service.read("bob/phone", "alice", ids[up_to]).unwrap();
            assert_eq!(marked.up_to, ids[mark]);
            receipts.push(marked.receipts[0].receipt);
            assert_eq!(waiting(&service, "alice", "phone"), [(user("bob"), ids[mark])]);
        }
        assert!(receipts[0] < receipts[2] && receipts[1] == receipts[0], "{receipts:?}");
    }
}

#[test]
fn who_sent_a_message_may_ask_whether_it_was_received_and_read() {
    for service in [Service::of_one(), Service::of_three()] {
        let ids = written(&service, 3);
        service.acknowledge("bob", "phone", [ids[0], ids[1]]);
        service.read("bob/laptop", "alice", ids[0]).unwrap();
        let marks = ids.iter().map(|id| service.receipts("alice", *id).unwrap());
        let bob = |mark| vec![("bob".to_owned(), mark)];
        assert_eq!(marks.collect::<Vec<_>>(), [bob('r'), bob('d'), bob('-')]);
        assert_eq!(service.receipts("bob", ids[0]), None);
        let note = service.store(&message("alice", "alice", "note", 9, "milk")).unwrap().id;
        assert_eq!(service.receipts("alice", note), Some(Vec::new()));
    }
}

#[test]
fn asking_again_tells_those_again_who_have_not_acknowledged_it() {
    for service in [Service::of_one(), Service::of_three()] {
        let ids = written(&service, 1);
        let Marked { receipts, .. } = service.read("bob/phone", "alice", ids[0]).unwrap();
        service.acknowledge_all("alice", "tablet", [], [receipts[0].receipt]);
        let again = service.read("bob/phone", "alice", ids[0]).unwrap();
        let left = [("alice", "phone"), ("bob", "laptop")].map(device_of);
        assert_eq!(told(&again.receipts), BTreeSet::from(left));
        assert_eq!(again.receipts[0].receipt, receipts[0].receipt);
    }
}

#[test]
fn a_mark_is_never_above_what_was_said() {
    let service = Service::of_one();
    let ids = written(&service, 2);
    let marked = service.read("bob/phone", "alice", MessageId::MAX).unwrap();
    assert_eq!(marked.up_to, ids[1]);
    assert_eq!(waiting(&service, "alice", "phone"), [(user("bob"), ids[1])]);
    // What comes later is not read yet.
    let later = service.store(&message("alice", "bob", "later", 9, "more")).unwrap().id;
    assert_eq!(service.read("bob/phone", "alice", later).unwrap().up_to, later);
}

#[test]
fn marks_of_strangers_and_of_what_was_never_said_are_refused() {
    let service = Service::of_one();
    let ids = written(&service, 1);
    let before = service.replica().view();
    assert_eq!(service.read("bob/phone", "carol", ids[0]), Err(Unmarked::NoPart));
    assert_eq!(service.read("bob/phone", "alice", MessageId::floor(0)), Err(Unmarked::NoMessage));
    assert_eq!(service.replica().view(), before);
}

#[test]
fn reading_ones_own_notes_is_told_to_ones_other_devices_once() {
    let service = Service::of_one();
    service.register("alice", "phone");
    service.register("alice", "tablet");
    let note = service.store(&message("alice/phone", "alice", "1", 0, "milk")).unwrap().id;
    let marked = service.read("alice/tablet", "alice", note).unwrap();
    assert_eq!(told(&marked.receipts), BTreeSet::from([("alice", "phone")].map(device_of)));
}

#[test]
fn both_kinds_of_receipt_wait_side_by_side() {
    let service = Service::of_one();
    let ids = written(&service, 2);
    service.acknowledge("bob", "phone", ids.clone());
    service.read("bob/phone", "alice", ids[0]).unwrap();
    let receipts = service.inbox("alice", "phone").receipts;
    let kinds: BTreeSet<_> = receipts.iter().map(|one| (one.mark.kind, one.mark.up_to)).collect();
    assert_eq!(kinds, BTreeSet::from([(MarkKind::Delivered, ids[1]), (MarkKind::Read, ids[0])]));
}

#[test]
fn a_replica_that_missed_a_mark_does_not_lower_it() {
    let service = Service::of_three();
    let ids = written(&service, 2);
    service.replicas[0].set_away(true);
    service.read("bob/phone", "alice", ids[1]).unwrap();
    service.replicas[0].set_away(false);
    service.replicas[2].set_away(true);
    assert_eq!(service.read("bob/laptop", "alice", ids[0]).unwrap().up_to, ids[1]);
    assert_eq!(waiting(&service, "alice", "phone"), [(user("bob"), ids[1])]);
    service.replicas[1].set_away(true);
    service.replicas[2].set_away(false);
    assert_eq!(service.read("bob/laptop", "alice", ids[0]).unwrap().up_to, ids[1]);
}

#[test]
fn the_mark_of_a_removed_device_stays_the_users() {
    let service = Service::of_one();
    let ids = written(&service, 2);
    service.read("bob/phone", "alice", ids[1]).unwrap();
    service.remove("bob", "phone").unwrap();
    assert_eq!(service.read("bob/laptop", "alice", ids[0]).unwrap().up_to, ids[1]);
    assert_eq!(waiting(&service, "alice", "phone"), [(user("bob"), ids[1])]);
}
