//! What every home of the manager does. Each test runs on both.

use std::time::{Duration, Instant};

use chatcluster_manager::{
    Claim, Claimed, Lease, Manager, Presence, ROUTES_PER_USER, Reclaimed, Renewal, Touched,
};
use futures_util::future::join_all;

use crate::fixtures::{
    Home, LONG, Memory, NOW, ROUTE_LIFETIME, Redis, claim, device, lease, route, user,
};

/// Runs each test on a memory home of its own, and all on one Redis Cluster, side by side.
macro_rules! on_both_homes {
    ($($test:ident,)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $test() { super::$test(&Memory::new()).await })*
        }

        #[tokio::test]
        async fn redis() {
            let home = Redis::start(3, 0).await;
            $(
                // Named, so that a failure says which one it was.
                println!("{}", stringify!($test));
                super::conformance::$test(&home).await;
            )*
        }
    };
}

on_both_homes! {
    a_claim_makes_a_route_that_everybody_sees,
    a_claim_names_the_previous_holder,
    epochs_rise_above_the_old_route_the_client_and_the_clock,
    of_two_racing_claims_the_later_one_knows_of_the_earlier,
    a_route_is_asserted_again_unless_the_device_has_moved,
    a_late_goodbye_removes_nothing,
    a_touch_tells_held_gone_and_replaced_apart,
    a_lease_is_created_once_and_then_kept,
    routes_are_worth_as_much_as_their_lease,
    an_ended_lease_is_gone_at_once_for_the_gateway_that_ended_it,
    an_ended_lease_is_noticed_by_others_within_a_second,
    routes_expire_unless_they_are_touched,
    routes_come_in_the_order_asked,
    a_user_is_online_by_any_route_whose_lease_lives,
    when_a_user_was_seen_is_known_for_the_lifetime_of_a_route,
    having_left_takes_no_place_among_a_users_routes,
    a_user_has_a_bounded_number_of_routes,
    the_drain_budget_is_one_for_all_and_refills,
    every_slot_has_a_master,
}

async fn live(home: &impl Home, gateway: &str) -> Lease {
    let lease = lease(gateway);
    assert_eq!(home.manager().renew(&lease, LONG).await.unwrap(), Renewal::Created);
    lease
}

async fn a_claim_makes_a_route_that_everybody_sees(home: &impl Home) {
    let a = live(home, "a").await;
    let claimed = home.manager().claim(&a, &claim("ann", "phone", 7)).await.unwrap();
    assert_eq!(claimed, Claimed { epoch: NOW, previous: None });
    for manager in [home.manager(), home.other()] {
        let routes = manager.routes(&[user("ann")]).await.unwrap();
        assert_eq!(routes, [vec![(device("phone"), route(&a, 7, NOW))]]);
    }
}

async fn a_claim_names_the_previous_holder(home: &impl Home) {
    let (a, b) = (live(home, "a").await, live(home, "b").await);
    let first = home.manager().claim(&a, &claim("bea", "phone", 1)).await.unwrap();
    let second = home.other().claim(&b, &claim("bea", "phone", 2)).await.unwrap();
    assert_eq!(second.previous, Some(route(&a, 1, first.epoch)));
    // Another device of hers is another route.
    let tablet = home.other().claim(&b, &claim("bea", "tablet", 3)).await.unwrap();
    assert_eq!(tablet.previous, None);
    // Said whether or not the lease lives: a gateway without a lease may still hold the connection.
    home.other().end(b.incarnation).await.unwrap();
    let third = home.manager().claim(&a, &claim("bea", "phone", 4)).await.unwrap();
    assert_eq!(third.previous, Some(route(&b, 2, second.epoch)));
}

async fn epochs_rise_above_the_old_route_the_client_and_the_clock(home: &impl Home) {
    let a = live(home, "a").await;
    let claim_with = async |last_epoch, now| {
        let claim = Claim { last_epoch, now, ..claim("cyd", "phone", 1) };
        home.manager().claim(&a, &claim).await.unwrap().epoch
    };
    assert_eq!(claim_with(None, NOW).await, NOW);
    assert_eq!(claim_with(None, NOW - 500).await, NOW + 1, "old + 1, with a clock that is behind");
    assert_eq!(claim_with(Some(NOW + 70), NOW).await, NOW + 71, "the client's last + 1");
    assert_eq!(claim_with(Some(3), NOW + 1000).await, NOW + 1000, "now");
    // A client that lies cannot put its epochs out of reach.
    let lied = claim_with(Some(u64::MAX), NOW).await;
    assert_eq!(claim_with(None, NOW).await, lied + 1);
    // Nor does a broken clock, and numbers of that size stay exact.
    assert_eq!(claim_with(None, u64::MAX).await, 1 << 52);
    assert_eq!(claim_with(None, NOW).await, (1 << 52) + 1);
}

async fn of_two_racing_claims_the_later_one_knows_of_the_earlier(home: &impl Home) {
    let (a, b) = (live(home, "a").await, live(home, "b").await);
    for round in 0..50 {
        let name = format!("dan-{round}");
        let claims = (claim(&name, "phone", 1), claim(&name, "phone", 2));
        let (one, other) =
            tokio::join!(home.manager().claim(&a, &claims.0), home.other().claim(&b, &claims.1));
        let (one, other) = (one.unwrap(), other.unwrap());
        let (a_route, b_route) = (route(&a, 1, one.epoch), route(&b, 2, other.epoch));
        let (earlier, later, winner) = if one.epoch < other.epoch {
            ((one, a_route), other, b_route)
        } else {
            ((other, b_route), one, a_route)
        };
        assert_eq!(earlier.0.previous, None);
        assert_eq!(later.previous, Some(earlier.1));
        let routes = home.manager().routes(&[user(&name)]).await.unwrap();
        assert_eq!(routes, [vec![(device("phone"), winner)]]);
    }
}

async fn a_route_is_asserted_again_unless_the_device_has_moved(home: &impl Home) {
    let (a, b) = (live(home, "a").await, live(home, "b").await);
    let again = |epoch| Claim { last_epoch: Some(epoch), ..claim("dee", "phone", 1) };
    let routes = async || home.manager().routes(&[user("dee")]).await.unwrap().remove(0);
    // The manager has lost it.
    let lost = home.manager().reclaim(&a, &again(NOW + 7)).await.unwrap();
    let epoch = NOW + 8;
    assert_eq!(lost, Reclaimed::Claimed(Claimed { epoch, previous: None }));
    // It is there.
    let there = home.manager().reclaim(&a, &again(epoch)).await.unwrap();
    let own = Some(route(&a, 1, epoch));
    assert_eq!(there, Reclaimed::Claimed(Claimed { epoch: epoch + 1, previous: own }));
    // A younger connection has it, and keeps it.
    let moved = home.other().claim(&b, &claim("dee", "phone", 2)).await.unwrap().epoch;
    let by = route(&b, 2, moved);
    let late = home.manager().reclaim(&a, &again(epoch + 1)).await.unwrap();
    assert_eq!(late, Reclaimed::Replaced(by.clone()));
    assert_eq!(routes().await, [(device("phone"), by.clone())]);
    // Of an older one it takes it.
    let taken = home.manager().reclaim(&a, &again(moved + 5)).await.unwrap();
    let taken_by = Claimed { epoch: moved + 6, previous: Some(by) };
    assert_eq!(taken, Reclaimed::Claimed(taken_by));
    assert_eq!(routes().await, [(device("phone"), route(&a, 1, moved + 6))]);
}

async fn a_late_goodbye_removes_nothing(home: &impl Home) {
    let (a, b) = (live(home, "a").await, live(home, "b").await);
    let (eve, phone) = (user("eve"), device("phone"));
    let old = home.manager().claim(&a, &claim("eve", "phone", 1)).await.unwrap().epoch;
    let new = home.other().claim(&b, &claim("eve", "phone", 2)).await.unwrap().epoch;
    assert!(!home.manager().release(&eve, &phone, old).await.unwrap());
    let routes = home.manager().routes(std::slice::from_ref(&eve)).await.unwrap();
    assert_eq!(routes, [vec![(phone.clone(), route(&b, 2, new))]]);
    assert!(home.other().release(&eve, &phone, new).await.unwrap());
    assert!(!home.other().release(&eve, &phone, new).await.unwrap(), "it is gone already");
    assert_eq!(home.manager().routes(&[eve]).await.unwrap(), [vec![]]);
}

async fn a_touch_tells_held_gone_and_replaced_apart(home: &impl Home) {
    let (a, b) = (live(home, "a").await, live(home, "b").await);
    let (fay, phone) = (user("fay"), device("phone"));
    assert_eq!(home.manager().touch(&fay, &phone, NOW).await.unwrap(), Touched::Gone);
    let old = home.manager().claim(&a, &claim("fay", "phone", 1)).await.unwrap().epoch;
    assert_eq!(home.manager().touch(&fay, &phone, old).await.unwrap(), Touched::Held);
    assert_eq!(home.manager().touch(&fay, &device("tv"), old).await.unwrap(), Touched::Gone);
    let new = home.other().claim(&b, &claim("fay", "phone", 2)).await.unwrap().epoch;
    let replaced = Touched::Replaced(route(&b, 2, new));
    assert_eq!(home.manager().touch(&fay, &phone, old).await.unwrap(), replaced);
}

async fn a_lease_is_created_once_and_then_kept(home: &impl Home) {
    let a = live(home, "a").await;
    assert_eq!(home.manager().renew(&a, LONG).await.unwrap(), Renewal::Kept);
    assert!(home.other().leases().await.unwrap().contains(&a));
    home.manager().renew(&a, Duration::from_millis(50)).await.unwrap();
    home.pass(Duration::from_millis(60)).await;
    assert!(!home.other().leases().await.unwrap().contains(&a));
    assert_eq!(home.manager().renew(&a, LONG).await.unwrap(), Renewal::Created);
    home.manager().end(a.incarnation).await.unwrap();
    assert_eq!(home.manager().renew(&a, LONG).await.unwrap(), Renewal::Created);
    assert!(home.other().leases().await.unwrap().contains(&a));
}

async fn routes_are_worth_as_much_as_their_lease(home: &impl Home) {
    let (a, b) = (lease("a"), live(home, "b").await);
    home.manager().claim(&b, &claim("gus", "tv", 2)).await.unwrap();
    home.manager().claim(&a, &claim("gus", "phone", 1)).await.unwrap();
    let both = [(device("phone"), route(&a, 1, NOW)), (device("tv"), route(&b, 2, NOW))];
    let routes = async || home.manager().routes(&[user("gus")]).await.unwrap().remove(0);
    assert_eq!(routes().await, both[1..], "a has no lease yet");
    let ttl = Duration::from_secs(2);
    home.manager().renew(&a, ttl).await.unwrap();
    assert_eq!(routes().await, both);
    home.pass(ttl).await;
    assert_eq!(routes().await, both[1..], "a's lease ran out");
    home.manager().renew(&a, LONG).await.unwrap();
    assert_eq!(routes().await, both);
}

async fn an_ended_lease_is_gone_at_once_for_the_gateway_that_ended_it(home: &impl Home) {
    let a = live(home, "a").await;
    home.manager().claim(&a, &claim("hal", "phone", 1)).await.unwrap();
    assert_eq!(home.manager().routes(&[user("hal")]).await.unwrap()[0].len(), 1);
    home.manager().end(a.incarnation).await.unwrap();
    assert_eq!(home.manager().routes(&[user("hal")]).await.unwrap()[0], []);
    assert!(!home.manager().leases().await.unwrap().contains(&a));
    home.manager().end(a.incarnation).await.unwrap();
}

async fn an_ended_lease_is_noticed_by_others_within_a_second(home: &impl Home) {
    let a = live(home, "a").await;
    home.manager().claim(&a, &claim("ida", "phone", 1)).await.unwrap();
    assert_eq!(home.other().routes(&[user("ida")]).await.unwrap()[0].len(), 1);
    home.manager().end(a.incarnation).await.unwrap();
    home.pass(Duration::from_secs(1)).await;
    assert_eq!(home.other().routes(&[user("ida")]).await.unwrap()[0], []);
}

async fn routes_expire_unless_they_are_touched(home: &impl Home) {
    let (a, manager) = (live(home, "a").await, home.short_lived());
    for name in ["jan", "jim"] {
        manager.claim(&a, &claim(name, "phone", 1)).await.unwrap();
    }
    home.pass(ROUTE_LIFETIME * 6 / 10).await;
    let (jan, phone) = (user("jan"), device("phone"));
    assert_eq!(manager.touch(&jan, &phone, NOW).await.unwrap(), Touched::Held);
    home.pass(ROUTE_LIFETIME * 5 / 10).await;
    let routes = manager.routes(&[jan.clone(), user("jim")]).await.unwrap();
    assert_eq!(routes, [vec![(phone.clone(), route(&a, 1, NOW))], vec![]]);
    assert_eq!(manager.touch(&user("jim"), &phone, NOW).await.unwrap(), Touched::Gone);
}

async fn routes_come_in_the_order_asked(home: &impl Home) {
    let a = live(home, "a").await;
    let names: Vec<String> = (0..600).map(|n| format!("kim-{n}")).collect();
    let claims: Vec<_> = names.iter().map(|name| claim(name, "phone", 1)).collect();
    for claimed in join_all(claims.iter().map(|claim| home.manager().claim(&a, claim))).await {
        claimed.unwrap();
    }
    let known = [(device("phone"), route(&a, 1, NOW))];
    let asked: Vec<_> = names.iter().flat_map(|n| [user(n), user(&format!("no-{n}"))]).collect();
    let routes = home.manager().routes(&asked).await.unwrap();
    assert_eq!(routes.len(), asked.len());
    for pair in routes.chunks(2) {
        assert_eq!(pair, [known.to_vec(), vec![]]);
    }
    assert!(home.manager().routes(&[]).await.unwrap().is_empty());
}

async fn a_user_is_online_by_any_route_whose_lease_lives(home: &impl Home) {
    let (a, b) = (live(home, "a").await, live(home, "b").await);
    let online = async |name: &str| {
        let all = home.other().presence(&[user("nobody"), user(name)]).await.unwrap();
        assert_eq!(all[0], Presence::default(), "of a stranger nothing is known");
        all[1].online
    };
    assert!(!online("mia").await);
    let phone = home.manager().claim(&a, &claim("mia", "phone", 1)).await.unwrap().epoch;
    home.manager().claim(&b, &claim("mia", "tv", 2)).await.unwrap();
    assert!(online("mia").await);
    home.other().end(b.incarnation).await.unwrap();
    assert!(online("mia").await, "the phone is there");
    assert!(home.manager().release(&user("mia"), &device("phone"), phone).await.unwrap());
    assert!(!online("mia").await, "the tv is worth as much as its lease");
    home.other().renew(&b, LONG).await.unwrap();
    assert!(online("mia").await);
}

async fn when_a_user_was_seen_is_known_for_the_lifetime_of_a_route(home: &impl Home) {
    let (a, manager) = (live(home, "a").await, home.short_lived());
    let (ned, phone) = (user("ned"), device("phone"));
    let seen = async || manager.presence(std::slice::from_ref(&ned)).await.unwrap()[0];
    let about = |presence: Presence, part: u32| {
        let (seen, then) = (presence.seen.unwrap(), ROUTE_LIFETIME * part / 10);
        assert!(seen >= then && seen < then + ROUTE_LIFETIME * 3 / 10, "{seen:?}, not {then:?}");
    };
    let epoch = manager.claim(&a, &claim("ned", "phone", 1)).await.unwrap().epoch;
    home.pass(ROUTE_LIFETIME * 5 / 10).await;
    about(seen().await, 5);
    assert_eq!(manager.touch(&ned, &phone, epoch).await.unwrap(), Touched::Held);
    about(seen().await, 0);
    home.pass(ROUTE_LIFETIME * 4 / 10).await;
    assert!(!manager.release(&ned, &phone, epoch + 1).await.unwrap());
    about(seen().await, 4);
    assert!(manager.release(&ned, &phone, epoch).await.unwrap());
    let left = seen().await;
    assert!(!left.online);
    about(left, 0);
    home.pass(ROUTE_LIFETIME * 11 / 10).await;
    assert_eq!(seen().await, Presence::default());
}

async fn having_left_takes_no_place_among_a_users_routes(home: &impl Home) {
    let a = live(home, "a").await;
    let first = home.manager().claim(&a, &claim("oda", "first", 0)).await.unwrap().epoch;
    assert!(home.manager().release(&user("oda"), &device("first"), first).await.unwrap());
    for n in 0..ROUTES_PER_USER as u64 {
        let claim = Claim { now: NOW + n, ..claim("oda", &format!("device-{n}"), n) };
        home.manager().claim(&a, &claim).await.unwrap();
    }
    let routes = home.manager().routes(&[user("oda")]).await.unwrap();
    assert_eq!(routes[0].len(), ROUTES_PER_USER);
}

async fn a_user_has_a_bounded_number_of_routes(home: &impl Home) {
    let a = live(home, "a").await;
    for n in 0..ROUTES_PER_USER as u64 {
        let claim = Claim { now: NOW + n, ..claim("lea", &format!("device-{n}"), n) };
        home.manager().claim(&a, &claim).await.unwrap();
    }
    // Claiming one of them again needs no room.
    home.manager().claim(&a, &claim("lea", "device-0", 100)).await.unwrap();
    let count = async || home.manager().routes(&[user("lea")]).await.unwrap()[0].len();
    assert_eq!(count().await, ROUTES_PER_USER);
    // One more does, and the lowest epoch gives way.
    let late = Claim { now: NOW + 1000, ..claim("lea", "one-more", 101) };
    home.manager().claim(&a, &late).await.unwrap();
    assert_eq!(count().await, ROUTES_PER_USER);
    let lowest = home.manager().touch(&user("lea"), &device("device-0"), NOW + 1).await.unwrap();
    assert_eq!(lowest, Touched::Gone);
}

async fn the_drain_budget_is_one_for_all_and_refills(home: &impl Home) {
    let rate = 200;
    let take = async |want| home.manager().take_drain_tokens(want, rate).await.unwrap();
    let start = Instant::now();
    let full = take(150).await + home.other().take_drain_tokens(150, rate).await.unwrap();
    // One second's worth, and what a real clock adds in between.
    let meanwhile = start.elapsed().as_millis() as u32 * rate / 1000;
    assert!((200..=201 + meanwhile).contains(&full), "{full} at once");
    take(rate).await;
    home.pass(Duration::from_millis(500)).await;
    let half = take(1000).await;
    assert!((99..=200).contains(&half), "{half} after half a second");
    home.pass(Duration::from_millis(2500)).await;
    let full = take(1000).await;
    assert_eq!(full, rate, "never more than a second's worth");
    assert_eq!(home.manager().take_drain_tokens(10, 0).await.unwrap(), 0);
}

async fn every_slot_has_a_master(home: &impl Home) {
    let shards = home.manager().shards().await.unwrap();
    assert!((0..chatcluster_manager::SLOTS).all(|slot| shards.master_of(slot).is_some()));
    assert_eq!(shards.master_of(chatcluster_manager::SLOTS), None);
    assert_eq!(home.other().shards().await.unwrap(), shards);
}
