//! Pages of inboxes, acknowledgements, and the receipts that follow.

use std::collections::{BTreeSet, HashMap};

use chatcluster_protocol::id::MessageId;
use futures_util::FutureExt;
use messages_core::repository::{InboxCursor, MarkPlaced, Repository};
use proptest::prelude::*;

use crate::harness::*;

fn filled(bodies: &[&str]) -> (Service, Vec<MessageId>) {
    let service = Service::of_one();
    service.register("bob", "phone");
    service.register("alice", "phone");
    let store = |(n, body): (i64, &&str)| {
        service.store(&message("alice", "bob", &format!("r{n}"), n, body)).unwrap().id
    };
    let ids = (0..).zip(bodies).map(store).collect();
    (service, ids)
}

fn up_to(marks: &[MarkPlaced]) -> Option<MessageId> {
    marks.first().map(|mark| mark.up_to)
}

#[test]
fn pages_end_at_their_limits_and_go_on_where_they_ended() {
    let (service, ids) = filled(&["aaaa", "bbbb", "cccc", "dddd", "eeee"]);
    let page = |from, limit, bytes| service.inbox_page("bob", "phone", from, limit, bytes);
    let by_count = page(InboxCursor::Start, 2, usize::MAX);
    assert_eq!(by_count.next, Some(InboxCursor::Messages(ids[1])));
    let by_bytes = page(by_count.next.unwrap(), 10, 8);
    assert_eq!(by_bytes.messages.len(), 2);
    assert_eq!(by_bytes.next, Some(InboxCursor::Messages(ids[3])));
    let last = page(by_bytes.next.unwrap(), 10, 1);
    assert_eq!((last.messages.len(), last.next), (1, None));
    // A page that is just full leaves the receipts to the next.
    let full = page(InboxCursor::Start, 5, usize::MAX);
    assert_eq!(full.next, Some(InboxCursor::Receipts(None)));
    assert_eq!(page(InboxCursor::Receipts(None), 5, usize::MAX).next, None);
}

#[test]
fn an_acknowledged_message_goes_and_its_sender_gets_a_receipt() {
    let (service, ids) = filled(&["one", "two"]);
    let marks = service.acknowledge("bob", "phone", ids.clone());
    assert_eq!(service.waiting("bob", "phone"), []);
    let [mark] = &marks[..] else { panic!("{marks:?}") };
    assert_eq!((mark.up_to, &mark.peer, &mark.to), (ids[1], &user("bob"), &user("alice")));
    assert_eq!(mark.devices, [device("phone")]);
    let inbox = service.inbox("alice", "phone");
    let [receipt] = &inbox.receipts[..] else { panic!("{inbox:?}") };
    assert_eq!((receipt.id, receipt.mark.up_to), (mark.receipt, ids[1]));
    // It waits until it is acknowledged in turn.
    service.acknowledge_all("alice", "phone", [], [receipt.id]);
    assert_eq!(service.inbox("alice", "phone").receipts, []);
}

#[test]
fn acknowledging_what_is_not_there_writes_nothing() {
    let (service, ids) = filled(&["one"]);
    service.acknowledge("bob", "phone", ids.clone());
    let before = service.replica().view();
    let never = message("alice", "bob", "never", 9, "").id;
    assert_eq!(service.acknowledge("bob", "phone", [ids[0], never]), []);
    assert_eq!(service.acknowledge_all("bob", "laptop", ids, [never]), []);
    assert_eq!(service.replica().view(), before);
}

#[test]
fn a_receipt_is_true_of_all_lower_messages() {
    let (service, ids) = filled(&["0", "1", "2", "3"]);
    assert_eq!(up_to(&service.acknowledge("bob", "phone", [ids[1]])), None, "0 is still there");
    assert_eq!(up_to(&service.acknowledge("bob", "phone", [ids[0]])), Some(ids[1]));
    assert_eq!(up_to(&service.acknowledge("bob", "phone", [ids[3]])), None, "2 is still there");
    assert_eq!(up_to(&service.acknowledge("bob", "phone", [ids[2]])), Some(ids[3]));
}

#[test]
fn receipts_are_coalesced_and_rise_with_their_ids() {
    let (service, ids) = filled(&["0", "1", "2"]);
    let receipts = ids.iter().map(|id| service.acknowledge("bob", "phone", [*id])[0].receipt);
    let receipts: Vec<_> = receipts.collect();
    // The gateway's stamp was the same three times.
    assert!(receipts.is_sorted_by(|a, b| a < b), "{receipts:?}");
    assert!(receipts.iter().all(|id| id.identity() == receipts[0].identity()));
    let waiting = service.inbox("alice", "phone").receipts;
    assert_eq!(waiting.iter().map(|r| r.id).collect::<Vec<_>>(), [receipts[2]]);
}

#[test]
fn a_second_device_of_the_recipient_raises_no_receipt_again() {
    let (service, ids) = filled(&["0"]);
    service.register("bob", "laptop");
    let later = service.store(&message("alice", "bob", "later", 9, "1")).unwrap().id;
    assert_eq!(up_to(&service.acknowledge("bob", "phone", [ids[0], later])), Some(later));
    assert_eq!(up_to(&service.acknowledge("bob", "laptop", [later])), None);
}

#[test]
fn the_device_that_acknowledges_its_own_users_message_gets_no_receipt() {
    let service = Service::of_one();
    service.register("alice", "phone");
    service.register("alice", "laptop");
    let note = service.store(&message("alice/phone", "alice", "1", 0, "milk")).unwrap().id;
    let marks = service.acknowledge("alice", "laptop", [note]);
    assert_eq!(marks[0].devices, [device("phone")]);
}

#[test]
fn what_another_device_of_ones_own_has_sent_goes_without_a_receipt() {
    for service in [Service::of_one(), Service::of_three()] {
        service.register("alice", "phone");
        service.register("alice", "laptop");
        let hi = service.store(&message("alice/phone", "bob", "1", 0, "hi")).unwrap().id;
        assert_eq!(service.acknowledge("alice", "laptop", [hi]), []);
        assert_eq!(service.waiting("alice", "laptop"), []);
        assert_eq!(service.inbox("alice", "phone").receipts, []);
    }
}

#[test]
fn a_probe_finds_what_has_waited_for_long_enough() {
    let (service, ids) = filled(&["0", "1"]);
    let probe = |before| {
        let devices = [("bob", "phone"), ("alice", "phone"), ("nobody", "none")];
        let devices = devices.map(|(name, of)| (user(name), device(of))).to_vec();
        service.quorum.waiting(devices, before).now_or_never().unwrap().unwrap()
    };
    assert_eq!(probe(ids[0]), [false, false, false]);
    assert_eq!(probe(ids[1]), [true, false, false]);
    service.acknowledge("bob", "phone", ids);
    assert_eq!(probe(MessageId::MAX), [false, true, false], "only the receipt waits");
}

proptest! {
    /// However devices acknowledge: a receipt only rises, is true of the device that raised it, and
    /// reaches the last message once everything is acknowledged.
    #[test]
    fn receipts_tell_the_truth_and_all_of_it_in_the_end(
        senders in prop::collection::vec(0usize..2, 1..20),
        acks in prop::collection::vec((0usize..2, prop::collection::vec(0usize..20, 1..4)), 0..30),
    ) {
        let service = Service::of_one();
        let (names, devices) = (["alice", "carol"], ["phone", "laptop"]);
        for of in devices {
            service.register("bob", of);
        }
        for name in names {
            service.register(name, "phone");
        }
        let sent: Vec<(usize, MessageId)> = (0..).zip(&senders).map(|(n, sender)| {
            let append = message(names[*sender], "bob", &format!("r{n}"), n, "hi");
            (*sender, service.store(&append).unwrap().id)
        }).collect();

        let mut told: HashMap<usize, MessageId> = HashMap::new();
        let everything = [0, 1].map(|of| (of, (0..20).collect::<Vec<_>>()));
        for (of, picked) in acks.into_iter().chain(everything) {
            let ids: BTreeSet<_> = picked.iter().filter_map(|at| Some(sent.get(*at)?.1)).collect();
            for mark in service.acknowledge("bob", devices[of], ids) {
                let sender = names.iter().position(|name| user(name) == mark.to).unwrap();
                prop_assert!(told.insert(sender, mark.up_to).is_none_or(|last| last < mark.up_to));
                let left = service.waiting("bob", devices[of]);
                let false_of = sent.iter().find(|(from, id)| {
                    *from == sender && *id <= mark.up_to && left.contains(id)
                });
                prop_assert_eq!(false_of, None);
            }
        }
        for (sender, id) in sent {
            prop_assert!(told[&sender] >= id);
        }
    }
}
