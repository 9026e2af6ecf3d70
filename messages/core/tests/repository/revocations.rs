//! Tokens that are not accepted any more.

use futures_util::FutureExt;
use messages_core::{
    apply::{self, Batch, Part, Unit},
    key,
    repository::{Registered, Repository, Revocation, remove_and_revoke},
    view::View,
};

use crate::harness::*;

fn revoke(service: &Service, name: &str, of: Option<&str>, before: u64) {
    let call = service.quorum.revoke(user(name), of.map(device), before);
    call.now_or_never().unwrap().unwrap();
}

fn revoked(service: &Service, name: &str, of: &str) -> Option<u64> {
    let registered = service.comes(name, of, u64::MAX);
    let seen = service.quorum.seen(vec![(user(name), device(of))]).now_or_never().unwrap().unwrap();
    let revoked = registered.revoked_before;
    assert_eq!(seen[0].revoked_before, revoked);
    revoked
}

/// What is left of the list, and where to go on.
fn feed(
    service: &Service,
    mut from: Vec<u8>,
    limit: usize,
    now: u64,
) -> (Vec<Revocation>, Vec<u8>) {
    let mut all = Vec::new();
    loop {
        let page = service.quorum.revocations(from, limit, now).now_or_never().unwrap().unwrap();
        assert!(page.revocations.len() <= limit);
        all.extend(page.revocations);
        from = page.next;
        if !page.more {
            return (all, from);
        }
    }
}

fn whom(revocations: &[Revocation]) -> Vec<String> {
    let name = |one: &Revocation| match &one.device {
        Some(device) => format!("{}/{device} {}", one.user, one.before - NOW),
        None => format!("{} {}", one.user, one.before - NOW),
    };
    revocations.iter().map(name).collect()
}

fn both(test: impl Fn(Service)) {
    test(Service::of_one());
    test(Service::of_three());
}

#[test]
fn a_device_is_told_the_latest_that_was_revoked_of_it_or_of_its_user() {
    both(|service| {
        assert_eq!(revoked(&service, "bob", "phone"), None);
        revoke(&service, "bob", Some("phone"), NOW + 5);
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 5));
        assert_eq!(revoked(&service, "bob", "laptop"), None);
        revoke(&service, "bob", None, NOW + 3);
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 5));
        assert_eq!(revoked(&service, "bob", "laptop"), Some(NOW + 3));
        revoke(&service, "bob", None, NOW + 1);
        assert_eq!(revoked(&service, "bob", "laptop"), Some(NOW + 3), "it never goes back");
        assert_eq!(revoked(&service, "bo", "phone"), None);
    });
}

#[test]
fn whichever_replica_is_away_what_was_revoked_stays_so() {
    for away in 0..3 {
        let service = Service::of_three();
        service.register("bob", "phone");
        let without = |away: Option<usize>| {
            service.replicas.iter().enumerate().for_each(|(at, r)| r.set_away(Some(at) == away));
        };
        without(Some(away));
        revoke(&service, "bob", None, NOW + 5);
        for away in 0..3 {
            without(Some(away));
            assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 5));
            assert_eq!(whom(&feed(&service, Vec::new(), 9, NOW).0), ["bob 5"]);
        }
    }
}

#[test]
fn the_feed_is_read_page_by_page_and_begins_again_a_little_before_its_end() {
    both(|service| {
        let (none, start) = feed(&service, Vec::new(), 2, NOW + 100_000);
        assert!(none.is_empty());
        for (n, at) in (0u64..).zip([85_000, 85_001, 90_000, 99_999]) {
            revoke(&service, &format!("u{n}"), (n % 2 == 1).then_some("phone"), NOW + at);
        }
        let (all, next) = feed(&service, start, 3, NOW + 100_000);
        assert_eq!(whom(&all), ["u0 85000", "u1/phone 85001", "u2 90000", "u3/phone 99999"]);
        // What is written late has an earlier time.
        revoke(&service, "late", None, NOW + 89_000);
        let (again, _) = feed(&service, next.clone(), 9, NOW + 100_000);
        let names = ["u0 85000", "u1/phone 85001", "late 89000", "u2 90000", "u3/phone 99999"];
        assert_eq!(whom(&again), names);
        let (_, later) = feed(&service, next, 9, NOW + 105_000);
        assert_eq!(whom(&feed(&service, later, 9, NOW).0), ["u2 90000", "u3/phone 99999"]);
    });
}

/// Somebody died in the middle of a removal, and another one ends it much later: who had a session of the device
/// open has long read on.
#[test]
fn what_is_revoked_late_is_at_the_end_of_the_feed() {
    both(|service| {
        for (replica, ahead) in service.replicas.iter().zip([60_000, 60_000, 60_003]) {
            replica.set_now(NOW + ahead);
        }
        let (_, next) = feed(&service, Vec::new(), 9, NOW + 60_000);
        revoke(&service, "bob", Some("phone"), NOW);
        let mut found = whom(&feed(&service, next, 9, NOW + 60_000).0);
        found.dedup();
        assert_eq!(found, ["bob/phone 0"]);
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW));
    });
}

#[test]
fn the_feed_forgets_and_the_tokens_stay_revoked() {
    both(|service| {
        for n in 0..2100 {
            revoke(&service, &format!("u{n}"), None, NOW + n);
        }
        let forget =
            |before| service.quorum.forget_revocations(before).now_or_never().unwrap().unwrap();
        assert_eq!(forget(NOW + 2099), 2099);
        assert_eq!(forget(NOW + 2099), 0);
        assert_eq!(whom(&feed(&service, Vec::new(), 9, NOW).0), ["u2099 2099"]);
        assert_eq!(revoked(&service, "u0", "phone"), Some(NOW));
    });
}

/// A removal of a device leaves its revocation: its tokens do not work for the device of the same name.
#[test]
fn what_is_removed_stays_revoked() {
    both(|service| {
        service.register("bob", "phone");
        revoke(&service, "bob", Some("phone"), NOW + 5);
        service.remove("bob", "phone").unwrap();
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 5));
    });
}

#[test]
fn a_revocation_that_reached_one_replica_counts_where_it_is_heard() {
    let service = Service::of_three();
    service.register("bob", "phone");
    let part = Part::Revoke { user: user("bob"), device: None, before: NOW + 1 };
    service.replicas[1].apply_alone(Batch(vec![Unit(vec![part])]));
    assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 1));
}

#[test]
fn a_device_that_is_removed_has_its_tokens_revoked_until_it_left() {
    both(|service| {
        service.register("bob", "phone");
        service.replicas.iter().for_each(|replica| replica.set_now(NOW + 7));
        service.remove("bob", "phone").unwrap();
        assert!(whom(&feed(&service, vec![], 10, NOW).0).contains(&"bob/phone 7".to_owned()));
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 7));
    });
}

/// It is back by then, with a token that it got after it was removed.
#[test]
fn a_replica_that_hears_of_a_removal_late_revokes_no_later_token() {
    let service = Service::of_three();
    service.register("bob", "phone");
    service.replicas[2].fall_behind();
    service.replicas.iter().for_each(|replica| replica.set_now(NOW + 7));
    assert_eq!(service.remove("bob", "phone"), Ok(true));
    service.replicas.iter().for_each(|replica| replica.set_now(NOW + 5000));
    service.replicas[2].catch_up();
    service.replicas[0].set_away(true);
    assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 7));
}

/// The service died before it revoked anything.
#[test]
fn a_removal_that_others_finish_revokes_what_was_issued_before_it() {
    both(|service| {
        service.register("bob", "phone");
        let (user, name) = (user("bob"), device("phone"));
        let leave = Part::Unregister { user, device: name, known: None, unseen_since: None };
        for replica in &service.replicas {
            replica.set_now(NOW + 7);
            replica.apply_alone(Batch(vec![Unit(vec![leave.clone()])]));
        }
        assert_eq!(service.finish_removals(NOW + 8), 1);
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 7));
    });
}

/// They have one place in the feed, and of one replica or of two the later one stands there.
#[test]
fn of_what_is_revoked_at_the_same_moment_the_latest_is_in_the_feed() {
    both(|service| {
        service.replicas.iter().for_each(|replica| replica.set_now(NOW + 200));
        revoke(&service, "bob", None, NOW + 128);
        revoke(&service, "bob", None, NOW + 3);
        let part = |before| Part::Revoke { user: user("eve"), device: None, before };
        for (replica, before) in service.replicas.iter().zip([NOW + 128, NOW + 3, NOW + 3]) {
            replica.apply_alone(Batch(vec![Unit(vec![part(before)])]));
        }
        assert_eq!(whom(&feed(&service, vec![], 10, NOW).0), ["bob 128", "eve 128"]);
    });
}

#[test]
fn the_tokens_of_a_device_that_goes_by_itself_stay() {
    both(|service| {
        service.register("bob", "phone");
        assert_eq!(service.expire(NOW + 100_000_000), 1);
        assert_eq!(feed(&service, vec![], 10, NOW).0, []);
        assert_eq!(revoked(&service, "bob", "phone"), None);
    });
}

fn refused(before: u64) -> Registered {
    Registered { created: false, revoked_before: Some(before) }
}

#[test]
fn a_token_that_is_revoked_makes_no_device_known() {
    both(|service| {
        service.register("bob", "phone");
        let removal = remove_and_revoke(&service.quorum, user("bob"), device("phone"), NOW + 7);
        assert!(removal.now_or_never().unwrap().unwrap());
        revoke(&service, "alice", None, NOW + 7);
        for name in ["bob", "alice"] {
            assert_eq!(service.comes(name, "phone", NOW + 6), refused(NOW + 7));
            assert_eq!(service.comes(name, "phone", 0), refused(NOW + 7));
            assert_eq!(service.seen(name, &["phone"]), [false], "{name}");
            let came = Registered { created: true, revoked_before: Some(NOW + 7) };
            assert_eq!(service.comes(name, "phone", NOW + 7), came);
            assert_eq!(service.seen(name, &["phone"]), [true], "{name}");
        }
    });
}

#[test]
fn a_device_that_is_known_stays_so_whatever_its_token_is_worth() {
    both(|service| {
        service.register("bob", "phone");
        revoke(&service, "bob", Some("phone"), NOW + 7);
        const LATER: u64 = NOW + 2 * 3_600_000;
        service.replicas.iter().for_each(|replica| replica.set_now(LATER));
        assert_eq!(service.comes("bob", "phone", NOW), refused(NOW + 7));
        let known = service.quorum.devices(user("bob")).now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(known[&device("phone")].last_seen, LATER);
    });
}

/// One replica has missed what is revoked, another one is away: the two that are left are a majority.
#[test]
fn no_replica_knows_a_device_by_a_token_that_a_majority_knows_to_be_revoked() {
    for missed in 0..3 {
        for away in 0..3 {
            let service = Service::of_three();
            let only = |out: Option<usize>| {
                service.replicas.iter().enumerate().for_each(|(at, r)| r.set_away(Some(at) == out));
            };
            only(Some(missed));
            revoke(&service, "bob", None, NOW + 7);
            only(Some(away));
            assert_eq!(service.comes("bob", "phone", NOW), refused(NOW + 7));
            only(None);
            for replica in &service.replicas {
                assert!(replica.view().get(&key::registry(&user("bob"))).unwrap().is_none());
            }
        }
    }
}

/// Looking and making known are one step of each replica.
#[test]
fn what_is_revoked_while_a_device_is_registered_counts() {
    both(|service| {
        for replica in service.replicas.iter().take(2) {
            replica.before_next_write(|view| {
                let part = Part::Revoke { user: user("bob"), device: None, before: NOW + 7 };
                apply::apply(view, &Batch(vec![Unit(vec![part])]), NOW).unwrap();
            });
        }
        assert_eq!(service.comes("bob", "phone", NOW), refused(NOW + 7));
        assert_eq!(service.comes("bob", "laptop", NOW), refused(NOW + 7));
    });
}
