mod typing;

use std::mem::take;

use chatcluster_protocol::id::{MessageId, UserId};
use proptest::prelude::*;

use super::*;
use crate::testing::{at, claimed, device, gateway, incarnation, nth, route, seconds, user};

/// The router of gateway 1, whose answers the test gives.
struct Gateway1 {
    router: Router,
    locals: Locals,
    now: Now,
    effects: Vec<Effect>,
    /// For whom something waits, since the last look.
    absent: Vec<(UserId, MessageId)>,
}

impl Gateway1 {
    fn new() -> Self {
        let mut router = Router::default();
        router.take_incarnation(incarnation(1));
        Self {
            router,
            locals: Locals::default(),
            now: seconds(100),
            effects: vec![],
            absent: vec![],
        }
    }

    /// Knows that bob's phone is on gateway 2.
    fn knows_bob() -> Self {
        let mut g = Self::new();
        g.route(0, &["bob"]);
        g.found(1, &[("bob", route(2, 7, 70))]);
        g.outcome(1, Outcome::Queued);
        g.effects.clear();
        g
    }

    /// Routes the `n`th push to the phones of users.
    fn route(&mut self, n: u64, users: &[&str]) {
        let devices = users.iter().map(|user| device(user, "phone")).collect();
        self.router.route(self.now, &nth(n), devices, &self.locals, &mut self.effects);
    }

    /// Answers a lookup of one user or more with the routes of their phones.
    fn found(&mut self, lookup: u64, routes: &[(&str, Route)]) {
        let phone = || DeviceId::new("phone").unwrap();
        let found = routes.iter().map(|(_, route)| vec![(phone(), route.clone())]).collect();
        let (now, effects) = (self.now, &mut self.effects);
        self.router.routes(now, lookup, Ok(found), &self.locals, effects);
    }

    fn found_nothing(&mut self, lookup: u64) {
        let found = Ok(vec![vec![]]);
        self.router.routes(self.now, lookup, found, &self.locals, &mut self.effects);
    }

    fn manager_away(&mut self, lookup: u64) {
        self.router.routes(self.now, lookup, Err(Away), &self.locals, &mut self.effects);
    }

    fn outcome(&mut self, delivery: u64, outcome: Outcome) {
        self.router.outcome(self.now, delivery, 0, outcome, &mut self.effects);
    }

    fn wait(&mut self, millis: u64) {
        self.now = at(self.now.monotonic + Duration::from_millis(millis));
        self.router.tick(self.now, &mut self.effects);
    }

    fn effects(&mut self) -> Vec<Effect> {
        let mut effects = take(&mut self.effects);
        effects.retain(|effect| match effect {
            Effect::Absent { user, push } => {
                self.absent.push((user.clone(), push.id));
                false
            }
            _ => true,
        });
        effects
    }

    fn absent(&mut self) -> Vec<(UserId, MessageId)> {
        let others = self.effects();
        self.effects.extend(others);
        take(&mut self.absent)
    }

    /// The only delivery since the last look: its number, and its gateway or none for a local one.
    fn delivery(&mut self) -> (u64, Option<Incarnation>) {
        match &self.effects()[..] {
            [Effect::Remote { gateway, delivery, .. }] => (*delivery, Some(gateway.incarnation)),
            [Effect::Local { delivery, .. }] => (*delivery, None),
            other => panic!("expected one delivery, got {other:?}"),
        }
    }

    /// The only lookup since the last look.
    fn lookup(&mut self) -> u64 {
        match &self.effects()[..] {
            [Effect::Lookup { lookup, .. }] => *lookup,
            other => panic!("expected one lookup, got {other:?}"),
        }
    }

    fn ended(&self) -> u64 {
        let Counts {
            queued,
            overloaded,
            no_route,
            not_here,
            manager_away,
            lookups_full,
            peer_full,
        } = self.router.counts();
        queued + overloaded + no_route + not_here + manager_away + lookups_full + peer_full
    }
}

#[test]
fn a_device_without_a_known_route_is_looked_up_and_delivered_to() {
    let mut g = Gateway1::new();
    g.route(1, &["bob"]);
    assert_eq!(g.effects(), [Effect::Lookup { lookup: 1, users: vec![user("bob")] }]);
    g.found(1, &[("bob", route(2, 7, 70))]);
    let target = Target { device: device("bob", "phone"), connection: ConnectionId(7), epoch: 70 };
    let (gateway, push) = (gateway(2), nth(1));
    assert_eq!(g.effects(), [Effect::Remote { gateway, delivery: 1, push, targets: vec![target] }]);
    g.outcome(1, Outcome::Queued);
    assert_eq!((g.router.counts().queued, g.router.pending()), (1, 0));
    // The next one needs no lookup.
    g.route(2, &["bob"]);
    assert_eq!(g.delivery(), (2, Some(incarnation(2))));
}

#[test]
fn a_device_of_this_gateway_is_handed_to_its_session_without_a_lookup() {
    let mut g = Gateway1::new();
    g.locals.hold(device("bob", "phone"), claimed(7, 70));
    g.route(1, &["bob"]);
    let (connection, epoch, push) = (ConnectionId(7), 70, nth(1));
    assert_eq!(g.effects(), [Effect::Local { delivery: 1, connection, epoch, push }]);
    g.outcome(1, Outcome::Overloaded);
    assert_eq!((g.router.counts().overloaded, g.router.pending()), (1, 0));
}

#[test]
fn one_frame_carries_a_push_to_all_devices_of_a_gateway() {
    let mut g = Gateway1::new();
    g.route(1, &["bob", "carol", "dan"]);
    g.lookup();
    g.found(1, &[("bob", route(2, 7, 1)), ("carol", route(3, 8, 1)), ("dan", route(2, 9, 1))]);
    let effects = g.effects();
    let targets = |effect: &Effect| match effect {
        Effect::Remote { gateway, targets, .. } => (gateway.incarnation, targets.len()),
        other => panic!("{other:?}"),
    };
    let sent: Vec<_> = effects.iter().map(targets).collect();
    assert_eq!(sent, [(incarnation(2), 2), (incarnation(3), 1)]);
}

#[test]
fn an_offline_device_is_looked_up_each_time() {
    let mut g = Gateway1::new();
    for n in 1..=2 {
        g.route(n, &["bob"]);
        assert_eq!(g.lookup(), n);
        g.found_nothing(n);
    }
    assert_eq!((g.router.counts().no_route, g.router.pending()), (2, 0));
}

#[test]
fn who_has_no_device_here_or_elsewhere_is_named_once_for_each_message() {
    let stored = |g: &mut Gateway1, push: Push| {
        let devices = ["phone", "laptop"].map(|name| device("bob", name)).to_vec();
        g.router.route(g.now, &push, devices, &g.locals, &mut g.effects);
        g.lookup()
    };
    let mut g = Gateway1::new();
    let lookup = stored(&mut g, nth(1));
    g.found_nothing(lookup);
    assert_eq!(g.absent(), [(user("bob"), nth(1).id)]);
    // The manager does not know.
    let lookup = stored(&mut g, nth(2));
    g.manager_away(lookup);
    assert_eq!(g.absent(), []);
    // Nobody is woken for a receipt, nor who is at this gateway without a claim so far.
    let lookup = stored(&mut g, Push { receipt: true, ..nth(3) });
    g.found_nothing(lookup);
    g.locals.hold(device("bob", "watch"), Local { claimed: false, ..claimed(9, 90) });
    let lookup = stored(&mut g, nth(4));
    g.found_nothing(lookup);
    assert_eq!(g.absent(), []);
    // The other device is somewhere.
    let mut g = Gateway1::new();
    let lookup = stored(&mut g, nth(5));
    g.found(lookup, &[("bob", route(2, 7, 70))]);
    assert_eq!(g.absent(), []);
}

#[test]
fn what_comes_during_a_lookup_waits_for_the_next_one() {
    let mut g = Gateway1::new();
    g.route(1, &["bob"]);
    g.route(2, &["bob"]);
    g.effects();
    g.found_nothing(1);
    assert_eq!((g.router.counts().no_route, g.router.pending()), (1, 1));
    g.found(2, &[("bob", route(2, 7, 70))]);
    assert_eq!(g.delivery().1, Some(incarnation(2)));
}

#[test]
fn a_wrong_route_is_read_again_once() {
    let mut g = Gateway1::knows_bob();
    g.route(1, &["bob"]);
    let (delivery, _) = g.delivery();
    g.outcome(delivery, Outcome::NotHere);
    let lookup = g.lookup();
    g.found(lookup, &[("bob", route(3, 8, 80))]);
    let (delivery, to) = g.delivery();
    assert_eq!(to, Some(incarnation(3)));
    g.outcome(delivery, Outcome::NotHere);
    assert!(g.effects().is_empty());
    assert_eq!((g.router.counts().not_here, g.router.pending()), (1, 0));
    // Both were forgotten.
    g.route(2, &["bob"]);
    g.lookup();
}

#[test]
fn a_route_that_is_still_the_wrong_one_is_not_tried_again() {
    let mut g = Gateway1::knows_bob();
    g.route(1, &["bob"]);
    let (delivery, _) = g.delivery();
    g.outcome(delivery, Outcome::NotHere);
    let lookup = g.lookup();
    g.found(lookup, &[("bob", route(2, 7, 70))]);
    assert!(g.effects().is_empty());
    assert_eq!(g.router.counts().not_here, 1);
}

#[test]
fn a_session_that_has_just_gone_is_looked_for_elsewhere() {
    let mut g = Gateway1::new();
    g.locals.hold(device("bob", "phone"), claimed(7, 70));
    g.route(1, &["bob"]);
    let (delivery, _) = g.delivery();
    g.outcome(delivery, Outcome::NotHere);
    let lookup = g.lookup();
    g.found(lookup, &[("bob", route(2, 8, 80))]);
    assert_eq!(g.delivery().1, Some(incarnation(2)));
}

#[test]
fn the_managers_route_to_this_gateway_is_worth_a_session_that_is_here() {
    let mut g = Gateway1::new();
    g.route(1, &["bob"]);
    g.lookup();
    g.found(1, &[("bob", route(1, 7, 70))]);
    assert_eq!((g.router.counts().no_route, g.router.pending()), (1, 0));
    g.route(2, &["bob"]);
    g.lookup();
    g.locals.hold(device("bob", "phone"), claimed(8, 71));
    g.found(2, &[("bob", route(1, 8, 71))]);
    assert_eq!(g.delivery(), (1, None));
}

#[test]
fn a_manager_that_is_away_is_asked_four_times_and_then_probes_have_to_do() {
    let mut g = Gateway1::new();
    g.route(1, &["bob"]);
    for wait in [500, 2_000, 10_000] {
        let lookup = g.lookup();
        g.manager_away(lookup);
        g.wait(wait - 1);
        assert!(g.effects().is_empty());
        g.wait(1);
    }
    let lookup = g.lookup();
    g.manager_away(lookup);
    assert_eq!((g.router.counts().manager_away, g.router.pending()), (1, 0));
}

#[test]
fn with_the_manager_away_a_session_of_this_gateway_is_found_without_a_claim() {
    let mut g = Gateway1::new();
    g.locals.hold(device("bob", "phone"), Local { claimed: false, ..claimed(7, 70) });
    g.route(1, &["bob"]);
    for wait in [500, 2_000] {
        let lookup = g.lookup();
        g.manager_away(lookup);
        g.wait(wait);
    }
    let lookup = g.lookup();
    g.manager_away(lookup);
    assert_eq!(g.delivery().1, None);
}

#[test]
fn what_a_broken_link_left_unknown_is_tried_again_with_back_off() {
    let mut g = Gateway1::knows_bob();
    g.route(1, &["bob"]);
    for wait in [500, 1_000, 2_000] {
        g.delivery();
        g.router.link_lost(g.now, incarnation(2));
        g.wait(wait - 1);
        assert!(g.effects().is_empty());
        g.wait(1);
    }
    // Whatever comes meanwhile waits as well.
    let (delivery, _) = g.delivery();
    g.router.link_lost(g.now, incarnation(2));
    g.route(2, &["bob"]);
    assert!(g.effects().is_empty());
    assert_eq!(g.router.pending(), 2);
    g.outcome(delivery, Outcome::Queued);
    assert_eq!(g.ended(), 1, "an outcome of a delivery that was given up");
    g.wait(4_000);
    assert_eq!(g.effects().len(), 2);
}

#[test]
fn targets_that_fail_together_are_one_failure() {
    let mut g = Gateway1::new();
    g.route(1, &["bob", "carol", "dan"]);
    g.lookup();
    g.found(1, &[("bob", route(2, 7, 1)), ("carol", route(2, 8, 1)), ("dan", route(2, 9, 1))]);
    let (delivery, _) = g.delivery();
    for target in 0..3 {
        g.router.outcome(g.now, delivery, target, Outcome::Unknown, &mut g.effects);
    }
    assert!(g.effects().is_empty());
    g.wait(500);
    assert!(matches!(&g.effects()[..], [Effect::Remote { targets, .. }] if targets.len() == 3));
}

#[test]
fn a_gateway_that_does_not_answer_for_5_seconds_gets_a_new_link() {
    let mut g = Gateway1::knows_bob();
    g.route(1, &["bob"]);
    g.effects();
    assert_eq!(g.router.deadline(), Some(g.now.monotonic + Duration::from_secs(5)));
    g.wait(5_000);
    assert_eq!(g.effects(), [Effect::DropLink(incarnation(2))]);
    g.wait(500);
    assert_eq!(g.delivery().1, Some(incarnation(2)));
}

#[test]
fn more_than_can_be_kept_for_a_gateway_becomes_a_probe_of_all_its_sessions() {
    let mut g = Gateway1::knows_bob();
    g.router.link_lost(g.now, incarnation(2));
    g.route(0, &["bob"]);
    g.effects();
    g.router.link_lost(g.now, incarnation(2));
    for n in 0..5_000 {
        g.route(n, &["bob"]);
    }
    assert_eq!((g.router.counts().peer_full, g.router.pending()), (5_001, 0));
    g.wait(500);
    let [Effect::ProbeAll { gateway: to, delivery }] = &g.effects()[..] else { panic!() };
    assert_eq!(*to, gateway(2));
    // Until it has answered, the request is repeated over every new link.
    g.router.link_lost(g.now, incarnation(2));
    g.outcome(*delivery, Outcome::Queued);
    g.wait(1_000);
    let [Effect::ProbeAll { delivery, .. }] = &g.effects()[..] else { panic!() };
    g.outcome(*delivery, Outcome::Queued);
    g.wait(60_000);
    assert!(g.effects().is_empty());
    assert_eq!(g.router.deadline(), None);
}

#[test]
fn a_gateway_is_sent_no_more_than_it_has_confirmed_plus_a_bound() {
    let mut g = Gateway1::knows_bob();
    for n in 0..6_000 {
        g.route(n, &["bob"]);
    }
    let flying = g.effects().len();
    assert_eq!((flying, g.router.pending()), (4_096, 6_000));
    g.outcome(2, Outcome::Queued);
    assert_eq!(g.effects().len(), 1);
}

#[test]
fn when_a_gateways_lease_ends_its_deliveries_are_routed_anew() {
    let mut g = Gateway1::knows_bob();
    g.route(1, &["bob"]);
    g.router.link_lost(g.now, incarnation(2));
    g.route(2, &["bob"]);
    g.effects();
    g.router.gateways(g.now, &[gateway(1), gateway(2)], &mut g.effects);
    assert!(g.effects().is_empty());
    g.router.gateways(g.now, &[gateway(1), gateway(3)], &mut g.effects);
    let lookup = g.lookup();
    g.found(lookup, &[("bob", route(3, 8, 80))]);
    let effects = g.effects();
    assert!(effects.iter().all(
        |e| matches!(e, Effect::Remote { gateway, .. } if gateway.incarnation == incarnation(3))
    ));
    assert_eq!(effects.len(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Route(Vec<u8>),
    Answer { which: u8, outcome: u8 },
    Lookup { which: u8, gateways: Vec<u8> },
    LookupFails(u8),
    LinkLost(u8),
    Gateways(u8),
    Local { user: u8, open: bool },
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0u8..6, 1..5).prop_map(Step::Route),
        5 => (any::<u8>(), 0u8..4).prop_map(|(which, outcome)| Step::Answer { which, outcome }),
        4 => (any::<u8>(), prop::collection::vec(0u8..5, 6))
            .prop_map(|(which, gateways)| Step::Lookup { which, gateways }),
        1 => any::<u8>().prop_map(Step::LookupFails),
        1 => (2u8..4).prop_map(Step::LinkLost),
        1 => any::<u8>().prop_map(Step::Gateways),
        1 => (0u8..6, any::<bool>()).prop_map(|(user, open)| Step::Local { user, open }),
        2 => (1u16..4_000).prop_map(Step::Wait),
    ]
}

/// What the shell has been asked for and has not answered.
#[derive(Default)]
struct Asked {
    deliveries: Vec<(u64, u32)>,
    lookups: Vec<(u64, Vec<UserId>)>,
    sent: usize,
}

impl Asked {
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Local { delivery, .. } => self.deliveries.push((delivery, 0)),
                Effect::Remote { delivery, targets, .. } => {
                    self.deliveries.extend((0..targets.len() as u32).map(|at| (delivery, at)));
                }
                Effect::Lookup { lookup, users } => {
                    assert!(users.windows(2).all(|pair| pair[0] < pair[1]));
                    self.lookups.push((lookup, users));
                }
                Effect::ProbeAll { .. }
                | Effect::Absent { .. }
                | Effect::DropLink(_)
                | Effect::LocalTyping { .. }
                | Effect::RemoteTyping { .. } => {}
            }
            self.sent += 1;
        }
    }
}

fn pick<T>(from: &mut Vec<T>, which: u8) -> Option<T> {
    let len = from.len();
    (len > 0).then(|| from.remove(usize::from(which) % len))
}

proptest! {
    #[test]
    fn every_stored_device_ends_in_exactly_one_way_or_is_pending(steps in prop::collection::vec(step(), 1..120)) {
        let (mut g, mut asked) = (Gateway1::new(), Asked::default());
        let (mut routed, mut connection) = (0, 100);
        let name = |n: u8| format!("user{n}");
        for step in steps {
            match step {
                Step::Route(users) => {
                    let users: BTreeSet<_> = users.into_iter().map(name).collect();
                    let users: Vec<_> = users.iter().map(String::as_str).collect();
                    routed += users.len() as u64;
                    g.route(routed, &users);
                }
                Step::Answer { which, outcome } => {
                    let Some((delivery, at)) = pick(&mut asked.deliveries, which) else { continue };
                    let outcome = Outcome::try_from(i32::from(outcome)).unwrap();
                    g.router.outcome(g.now, delivery, at, outcome, &mut g.effects);
                }
                Step::Lookup { which, gateways } => {
                    let Some((lookup, users)) = pick(&mut asked.lookups, which) else { continue };
                    connection += 1;
                    let phone = DeviceId::new("phone").unwrap();
                    let found = users.iter().zip(gateways.iter().cycle()).map(|(_, gateway)| {
                        let route = route(u64::from(*gateway), connection, connection);
                        (*gateway > 0).then(|| (phone.clone(), route)).into_iter().collect()
                    });
                    let found = Ok(found.collect());
                    g.router.routes(g.now, lookup, found, &g.locals, &mut g.effects);
                }
                Step::LookupFails(which) => {
                    let Some((lookup, _)) = pick(&mut asked.lookups, which) else { continue };
                    g.manager_away(lookup);
                }
                Step::LinkLost(n) => g.router.link_lost(g.now, incarnation(n.into())),
                Step::Gateways(bits) => {
                    let alive = (1..4).filter(|n| bits >> n & 1 == 1).map(gateway);
                    g.router.gateways(g.now, &alive.collect::<Vec<_>>(), &mut g.effects);
                }
                Step::Local { user, open } => {
                    connection += 1;
                    let device = device(&name(user), "phone");
                    match g.locals.get(&device) {
                        Some(local) if !open => g.locals.remove(&device, local.connection),
                        _ => g.locals.hold(device, claimed(connection, connection)),
                    }
                }
                Step::Wait(millis) => g.wait(millis.into()),
            }
            asked.take(g.effects());
            prop_assert_eq!(g.ended() + g.router.pending() as u64, routed);
        }
        // Once everything answers, nothing stays pending.
        for _ in 0..40 {
            for (lookup, _) in take(&mut asked.lookups) {
                g.manager_away(lookup);
            }
            for (delivery, at) in take(&mut asked.deliveries) {
                g.router.outcome(g.now, delivery, at, Outcome::Queued, &mut g.effects);
            }
            g.wait(16_000);
            asked.take(g.effects());
        }
        prop_assert_eq!((g.router.pending(), g.ended()), (0, routed));
    }
}
