//! Whose word counts, and who says so.

use futures_util::FutureExt;
use messages_core::{
    apply::{Batch, Part, Unit},
    key,
    repository::{Quorum, Refused},
    view::MemoryView,
};

use crate::harness::*;

#[test]
fn only_who_is_new_together_is_founded() {
    let service = Service::of_three_new();
    let sends = || service.store(&message("alice", "bob", "1", 0, "hi"));
    // Who is away may be the one that has everything.
    service.replicas[2].set_away(true);
    let attendance = service.attend().unwrap();
    assert_eq!((attendance.voting, attendance.joining.len(), attendance.away), (0, 2, 1));
    assert!(matches!(sends(), Err(Refused::Unavailable(text)) if text.contains("being filled")));
    service.replicas[2].set_away(false);
    let attendance = service.attend().unwrap();
    assert_eq!((attendance.voting, attendance.founded), (3, true));
    sends().unwrap();

    // Whoever comes later hears of it from any one of them.
    for alone in 0..3 {
        let later = Quorum::new(service.replicas.clone());
        for (at, replica) in service.replicas.iter().enumerate() {
            replica.set_away(at != alone);
        }
        let attendance = later.attend().now_or_never().unwrap().unwrap();
        assert_eq!((attendance.voting, attendance.away, attendance.founded), (1, 2, false));
    }
    for replica in &service.replicas {
        replica.set_away(false);
    }
    // Nor is anything founded where one has voted before.
    service.replicas[0].empty();
    service.replicas[1].empty();
    let attendance = service.attend().unwrap();
    assert_eq!((attendance.voting, attendance.joining.len(), attendance.founded), (1, 2, false));
    assert!(sends().is_err(), "two of three have lost everything");
    assert!(service.pass(0).is_err());
}

#[test]
fn a_founding_that_broke_off_is_finished_by_whoever_sees_it() {
    let service = Service::of_three();
    // Two were told nothing.
    for replica in &service.replicas[1..] {
        replica.apply_alone(Batch(vec![Unit(vec![Part::Erase {
            rows: vec![(key::roster(), replica.view().map()[&key::roster()].clone())],
            joining: None,
        }])]));
    }
    let later = Quorum::new(service.replicas.clone());
    let attendance = later.attend().now_or_never().unwrap().unwrap();
    assert_eq!((attendance.voting, attendance.founded), (3, false));
}

#[test]
fn two_addresses_of_one_replica_are_no_majority() {
    let replica = MemoryReplica::new(1, MemoryView::with_tombstones());
    let other = MemoryReplica::new(2, MemoryView::with_tombstones());
    let quorum = Quorum::new(vec![replica.clone(), other, replica]);
    let error = quorum.attend().now_or_never().unwrap().unwrap_err();
    assert!(error.to_string().contains("two addresses"), "{error}");
}
