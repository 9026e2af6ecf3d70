use std::mem::take;

use super::*;
use crate::testing::{at, device, gateway, incarnation, route, seconds};

/// Evictions of gateway 1. Bob's phone has moved to connection 9 of it.
struct World {
    evictions: Evictions,
    now: Now,
    effects: Vec<Effect>,
}

impl World {
    fn displaced(previous: Route) -> Self {
        let mut evictions = Evictions::default();
        evictions.take_incarnation(incarnation(1));
        let (now, mut effects) = (seconds(100), Vec::new());
        let bob = device("bob", "phone");
        evictions.displace(now, ConnectionId(9), bob, previous, &mut effects);
        Self { evictions, now, effects }
    }

    fn effects(&mut self) -> Vec<Effect> {
        take(&mut self.effects)
    }

    fn wait(&mut self, seconds: u64) {
        self.now = at(self.now.monotonic + Duration::from_secs(seconds));
        self.evictions.tick(self.now, &mut self.effects);
    }

    fn gateways(&mut self, asked: u64, alive: &[Gateway]) {
        self.evictions.gateways(Duration::from_secs(asked), alive, &mut self.effects);
    }
}

fn evict() -> Effect {
    let target = Target { device: device("bob", "phone"), connection: ConnectionId(7), epoch: 70 };
    Effect::Remote { gateway: gateway(2), eviction: 0, target }
}

const READ_AGAIN: Effect = Effect::ReadAgain(ConnectionId(9));

#[test]
fn a_session_of_this_gateway_is_evicted_at_once() {
    let mut w = World::displaced(route(1, 7, 70));
    assert_eq!(w.effects(), [Effect::Local { connection: ConnectionId(7), epoch: 70 }, READ_AGAIN]);
    assert_eq!(w.evictions.pending(), 0);
}

#[test]
fn the_inbox_is_read_again_when_the_other_gateway_confirms() {
    let mut w = World::displaced(route(2, 7, 70));
    assert_eq!(w.effects(), [evict()]);
    w.evictions.evicted(0, &mut w.effects);
    assert_eq!(w.effects(), [READ_AGAIN]);
    w.evictions.evicted(0, &mut w.effects);
    assert!(w.effects().is_empty());
}

#[test]
fn or_when_its_lease_is_over() {
    let mut w = World::displaced(route(2, 7, 70));
    w.effects();
    w.gateways(101, &[gateway(2)]);
    assert!(w.effects().is_empty());
    w.gateways(99, &[gateway(1)]);
    assert!(w.effects().is_empty(), "a list from before the claim");
    w.gateways(101, &[gateway(1)]);
    assert_eq!(w.effects(), [READ_AGAIN]);
}

#[test]
fn or_when_its_address_answers_as_another() {
    let mut w = World::displaced(route(2, 7, 70));
    w.effects();
    w.evictions.gateway_gone(incarnation(3), &mut w.effects);
    assert!(w.effects().is_empty());
    w.evictions.gateway_gone(incarnation(2), &mut w.effects);
    assert_eq!(w.effects(), [READ_AGAIN]);
}

#[test]
fn an_eviction_without_an_answer_is_repeated() {
    let mut w = World::displaced(route(2, 7, 70));
    w.effects();
    w.evictions.link_lost(w.now, incarnation(2));
    w.wait(1);
    assert_eq!(w.effects(), [evict()]);
    w.wait(4);
    assert!(w.effects().is_empty());
    w.wait(1);
    assert_eq!(w.effects(), [evict()]);
}

#[test]
fn a_gateway_that_does_not_answer_is_silent_until_its_link_is_dropped() {
    let mut w = World::displaced(route(2, 7, 70));
    let after =
        |w: &World, seconds| w.evictions.silent(at(w.now.monotonic + Duration::from_secs(seconds)));
    assert!(after(&w, 4).is_empty());
    assert_eq!(after(&w, 5), [incarnation(2)].into());
    w.evictions.link_lost(w.now, incarnation(2));
    assert!(after(&w, 100).is_empty(), "nothing is under way");
    w.wait(1);
    assert_eq!(after(&w, 5), [incarnation(2)].into());
}

#[test]
fn evictions_without_an_answer_are_bounded() {
    let mut w = World::displaced(route(2, 7, 70));
    for n in 0..5_000 {
        let bob = device("bob", "phone");
        w.evictions.displace(w.now, ConnectionId(n), bob, route(2, 7, 70), &mut w.effects);
    }
    assert_eq!((w.evictions.pending(), w.effects().len()), (PENDING, PENDING));
}
