//! Tokens that are not accepted any more.

use futures_util::FutureExt;
use messages_core::{
    apply::{Batch, Part, Unit},
    repository::{Repository, Revocation},
};

use crate::harness::*;

fn revoke(service: &Service, name: &str, of: Option<&str>, before: u64) {
    let call = service.quorum.revoke(user(name), of.map(device), before);
    call.now_or_never().unwrap().unwrap();
}

fn revoked(service: &Service, name: &str, of: &str) -> Option<u64> {
    let registered = service.quorum.register(user(name), device(of)).now_or_never().unwrap();
    let seen = service.quorum.seen(vec![(user(name), device(of))]).now_or_never().unwrap().unwrap();
    let revoked = registered.unwrap().revoked_before;
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
fn a_device_that_is_removed_has_its_tokens_revoked_in_the_same_step() {
    both(|service| {
        service.register("bob", "phone");
        service.replicas.iter().for_each(|replica| replica.set_now(NOW + 7));
        service.remove("bob", "phone").unwrap();
        assert!(whom(&feed(&service, vec![], 10, NOW).0).contains(&"bob/phone 7".to_owned()));
        assert_eq!(revoked(&service, "bob", "phone"), Some(NOW + 7));
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
