//! Who is told that somebody is typing.

use bytes::Bytes;

use super::*;

fn frame(n: u64) -> Bytes {
    format!("{{\"type\":\"typing\",\"n\":{n}}}").into()
}

fn targets(users: &[(&str, &str, u64)]) -> Vec<Target> {
    let target = |(user, name, connection): &(&str, &str, u64)| Target {
        device: device(user, name),
        connection: ConnectionId(*connection),
        epoch: 70,
    };
    users.iter().map(target).collect()
}

impl Gateway1 {
    fn types(&mut self, n: u64, to: &str) {
        let (now, to) = (self.now, user(to));
        self.router.typing(now, &to, frame(n), &self.locals, &mut self.effects);
    }

    /// Answers a lookup of one user with the routes of these devices.
    fn has(&mut self, lookup: u64, devices: &[(&str, Route)]) {
        let named = |(name, route): &(&str, Route)| (DeviceId::new(name).unwrap(), route.clone());
        let found = Ok(vec![devices.iter().map(named).collect()]);
        self.router.routes(self.now, lookup, found, &self.locals, &mut self.effects);
    }

    fn remote(&self, n: u64, to: u64, targets: Vec<Target>) -> Effect {
        let (gateway, at, frame) = (gateway(to), self.now.wall, frame(n));
        Effect::RemoteTyping { gateway, at, frame, targets }
    }

    fn dropped(&self) -> TypingCounts {
        // What is typed is never a delivery, and nothing waits for it.
        assert_eq!((self.router.pending(), self.ended()), (0, 0));
        self.router.typing_counts()
    }
}

#[test]
fn all_devices_of_a_user_are_told_with_one_frame_for_each_gateway() {
    let mut g = Gateway1::new();
    g.locals.hold(device("bob", "desk"), claimed(5, 70));
    g.locals.hold(device("bobby", "phone"), claimed(6, 70));
    g.types(1, "bob");
    let here = Effect::LocalTyping { connection: ConnectionId(5), epoch: 70, frame: frame(1) };
    let lookup = Effect::Lookup { lookup: 1, users: vec![user("bob")] };
    assert_eq!(g.effects(), [here, lookup]);
    let elsewhere = [("car", 3, 9), ("pad", 2, 8), ("phone", 2, 7)];
    let mut routes =
        elsewhere.map(|(name, to, connection)| (name, route(to, connection, 70))).to_vec();
    // The manager knows of the one here, too, and of one that has just left.
    routes.extend([("desk", route(1, 5, 70)), ("old", route(1, 4, 70))]);
    g.has(1, &routes);
    let second = targets(&[("bob", "pad", 8), ("bob", "phone", 7)]);
    assert_eq!(
        g.effects(),
        [g.remote(1, 2, second), g.remote(1, 3, targets(&[("bob", "car", 9)]))]
    );
    assert_eq!(g.dropped(), TypingCounts::default());
}

#[test]
fn the_manager_is_asked_once_in_ten_seconds_whoever_types() {
    let mut g = Gateway1::new();
    g.types(1, "bob");
    g.lookup();
    g.types(2, "bob");
    assert_eq!(g.effects(), [], "it waits for the lookup that is under way");
    g.has(1, &[("phone", route(2, 7, 70))]);
    assert_eq!(g.effects().len(), 2);
    for n in 3..12 {
        g.wait(1_000);
        g.types(n, "bob");
        assert_eq!(g.effects(), [g.remote(n, 2, targets(&[("bob", "phone", 7)]))]);
    }
    g.wait(1_000);
    g.types(12, "bob");
    let lookup = g.lookup();
    // He has moved.
    g.has(lookup, &[("phone", route(3, 8, 70))]);
    assert_eq!(g.effects(), [g.remote(12, 3, targets(&[("bob", "phone", 8)]))]);
    g.types(13, "carol");
    let lookup = g.lookup();
    g.found_nothing(lookup);
    assert_eq!(g.dropped(), TypingCounts { nobody: 1, ..TypingCounts::default() });
}

#[test]
fn the_message_that_follows_needs_no_lookup() {
    let mut g = Gateway1::new();
    g.types(1, "bob");
    g.has(1, &[("phone", route(2, 7, 70))]);
    g.effects();
    g.route(2, &["bob"]);
    assert_eq!(g.delivery(), (1, Some(incarnation(2))));
}

#[test]
fn nothing_waits_for_a_manager_that_is_away() {
    let mut g = Gateway1::new();
    g.locals.hold(device("bob", "desk"), claimed(5, 70));
    g.types(1, "bob");
    g.effects();
    g.manager_away(1);
    assert_eq!(g.effects(), []);
    for n in 2..10 {
        g.wait(1_000);
        g.types(n, "bob");
        assert!(matches!(&g.effects()[..], [Effect::LocalTyping { .. }]));
    }
    g.wait(2_000);
    g.types(10, "bob");
    assert!(matches!(&g.effects()[..], [Effect::LocalTyping { .. }, Effect::Lookup { .. }]));
    assert_eq!(g.dropped(), TypingCounts { manager_away: 1, ..TypingCounts::default() });
}

#[test]
fn an_answer_of_the_manager_that_is_late_is_for_the_next_one() {
    let mut g = Gateway1::new();
    g.types(1, "bob");
    g.lookup();
    g.wait(2_001);
    g.has(1, &[("phone", route(2, 7, 70))]);
    assert_eq!(g.effects(), []);
    g.types(2, "bob");
    assert_eq!(g.effects().len(), 1);
    assert_eq!(g.dropped(), TypingCounts { late: 1, ..TypingCounts::default() });
}

#[test]
fn a_gateway_that_has_messages_to_take_or_does_not_answer_is_told_nothing() {
    let mut g = Gateway1::knows_bob();
    g.types(1, "bob");
    g.has(2, &[("phone", route(2, 7, 70))]);
    assert_eq!(g.effects().len(), 2);
    // One that is on its way, and confirmed as ever, is nothing unusual.
    g.route(2, &["bob"]);
    g.types(2, "bob");
    assert_eq!(g.effects().len(), 2);
    g.router.link_lost(g.now, incarnation(2));
    g.types(3, "bob");
    assert_eq!(g.effects(), []);
    assert_eq!(g.router.typing_counts().peer_busy, 1);
}

#[test]
fn a_gateway_whose_lease_has_ended_is_told_nothing() {
    let mut g = Gateway1::new();
    g.types(1, "bob");
    g.has(1, &[("phone", route(2, 7, 70))]);
    g.router.gateways(g.now, &[gateway(1), gateway(3)], &mut g.effects);
    g.effects();
    g.types(2, "bob");
    assert_eq!(g.effects(), []);
    assert_eq!(g.dropped(), TypingCounts { nobody: 1, ..TypingCounts::default() });
}

#[test]
fn a_crowd_that_types_asks_for_256_users_at_a_time_and_the_rest_is_told_nothing() {
    let mut g = Gateway1::new();
    for n in 0..10_000 {
        g.types(n, &format!("user-{n:05}"));
    }
    for n in 0..10 {
        g.types(n, "user-00000");
    }
    let effects = g.effects();
    // The first one begins a lookup of its own; what comes meanwhile is for the next.
    assert!(matches!(&effects[..], [Effect::Lookup { users, .. }] if users.len() == 1));
    assert_eq!(g.dropped().lookups_full, 10_000 - 4_096 + 10 - 3);
    let mut asked = 1;
    let mut lookup = 1;
    while asked < 4_096 {
        g.manager_away(lookup);
        let effects = g.effects();
        let [Effect::Lookup { lookup: next, users }] = &effects[..] else { panic!("{effects:?}") };
        assert!(users.len() <= 256);
        (lookup, asked) = (*next, asked + users.len());
    }
    g.manager_away(lookup);
    assert_eq!(g.effects(), []);
    g.wait(10_000);
    g.types(1, "one-more");
    g.lookup();
}

#[test]
fn what_a_link_brings_late_is_worth_nothing() {
    let mut g = Gateway1::new();
    let now = g.now.wall;
    for (at, timely) in [(now, true), (now - 10_000, true), (now + 10_000, true)] {
        assert_eq!(g.router.is_timely(g.now, at), timely);
    }
    for at in [now - 10_001, now + 10_001, 0, u64::MAX] {
        assert!(!g.router.is_timely(g.now, at));
    }
    assert_eq!(g.dropped(), TypingCounts { late: 4, ..TypingCounts::default() });
}
