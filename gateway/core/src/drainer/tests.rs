use std::mem::take;

use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::testing::{at, claimed, device, gateway, seconds};

/// A gateway with sessions on connections 0 and on, and nothing else open.
struct World {
    drainer: Drainer,
    locals: Locals,
    rng: StdRng,
    pending: usize,
    now: Now,
    effects: Vec<Effect>,
}

impl World {
    fn new(sessions: u64) -> Self {
        let settings = DrainSettings {
            grace: Duration::from_secs(10),
            rate_per_second: 100,
            timeout: Duration::from_secs(60),
        };
        let mut locals = Locals::default();
        for n in 0..sessions {
            locals.hold(device(&format!("user{n:04}"), "phone"), claimed(n, 1));
        }
        let (drainer, rng) = (Drainer::new(settings), StdRng::seed_from_u64(1));
        Self { drainer, locals, rng, pending: 0, now: seconds(100), effects: Vec::new() }
    }

    /// Told to stop, past the grace.
    fn draining(sessions: u64) -> Self {
        let mut w = Self::new(sessions);
        w.drainer.start(w.now);
        w.wait(10);
        assert_eq!(w.effects.remove(0), Effect::Refuse);
        w
    }

    fn wait(&mut self, seconds: u64) {
        self.now = at(self.now.monotonic + Duration::from_secs(seconds));
        let (open, effects) = (self.locals.len(), &mut self.effects);
        self.drainer.tick(self.now, open, || self.pending, &self.locals, &mut self.rng, effects);
    }

    fn tokens(&mut self, taken: Result<u32, Away>) {
        let (rng, effects) = (&mut self.rng, &mut self.effects);
        self.drainer.tokens(self.now, taken, &self.locals, rng, effects);
    }

    fn effects(&mut self) -> Vec<Effect> {
        take(&mut self.effects)
    }

    /// The sessions asked to move since the last look, and nothing else.
    fn asked(&mut self) -> Vec<u64> {
        let asked = |effect| match effect {
            Effect::Drain { connection, after } if after <= Duration::from_secs(1) => connection.0,
            other => panic!("{other:?}"),
        };
        self.effects().into_iter().map(asked).collect()
    }
}

fn take_tokens(want: u32) -> Effect {
    Effect::TakeTokens { want, rate: 100 }
}

#[test]
fn nothing_happens_before_the_signal_nor_during_the_grace() {
    let mut w = World::new(3);
    w.wait(1_000);
    w.drainer.start(w.now);
    w.wait(9);
    assert!(w.effects().is_empty());
    // A second signal does not prolong it.
    w.drainer.start(w.now);
    w.wait(1);
    assert_eq!(w.effects(), [Effect::Refuse, take_tokens(3)]);
}

#[test]
fn sessions_are_asked_as_the_fleets_budget_allows_each_once() {
    let mut w = World::draining(150);
    assert_eq!(w.effects(), [take_tokens(100)]);
    w.wait(1);
    assert!(w.effects().is_empty(), "tokens are being taken");
    w.tokens(Ok(40));
    assert_eq!(w.asked(), Vec::from_iter(0..40));
    w.wait(1);
    assert_eq!(w.effects(), [take_tokens(100)]);
    w.tokens(Ok(0));
    assert!(w.asked().is_empty());
    w.wait(1);
    w.effects();
    w.tokens(Ok(100));
    assert_eq!(w.asked(), Vec::from_iter(40..140));
    w.wait(1);
    assert_eq!(w.effects(), [take_tokens(10)]);
}

#[test]
fn with_the_manager_away_a_gateway_takes_its_share_of_the_rate() {
    let mut w = World::draining(150);
    w.drainer.gateways(&[gateway(1), gateway(2), gateway(3)]);
    w.effects();
    w.tokens(Err(Away));
    assert_eq!(w.asked().len(), 33);
}

#[test]
fn an_empty_gateway_is_finished() {
    let mut w = World::draining(1);
    w.effects();
    w.tokens(Ok(1));
    assert_eq!(w.asked(), [0]);
    w.locals.remove(&device("user0000", "phone"), ConnectionId(0));
    w.wait(1);
    assert_eq!(w.effects(), [Effect::Finished]);
    w.wait(1_000);
    assert!(w.effects().is_empty());
}

#[test]
fn an_empty_gateway_waits_a_little_for_its_deliveries() {
    let drained_with_a_delivery = || {
        let mut w = World::new(0);
        w.pending = 1;
        w.drainer.start(w.now);
        w.wait(10);
        assert_eq!(w.effects(), [Effect::Refuse]);
        w
    };
    let mut w = drained_with_a_delivery();
    w.wait(3);
    assert!(w.effects().is_empty());
    w.pending = 0;
    w.wait(1);
    assert_eq!(w.effects(), [Effect::Finished]);

    let mut w = drained_with_a_delivery();
    w.wait(9);
    assert!(w.effects().is_empty());
    w.wait(1);
    assert_eq!(w.effects(), [Effect::Finished]);
}

#[test]
fn what_is_left_when_time_is_up_is_ended_and_spread() {
    let mut w = World::draining(100);
    w.effects();
    w.tokens(Ok(5));
    w.effects();
    w.wait(59);
    w.effects();
    w.wait(1);
    let effects = w.effects();
    let after = |effect: &Effect| match effect {
        Effect::DrainNow { after, .. } => Some(after.as_secs()),
        _ => None,
    };
    let spread: BTreeSet<_> = effects.iter().filter_map(after).collect();
    assert_eq!((effects.len(), effects.last()), (101, Some(&Effect::Finished)));
    assert!(spread.len() > 10 && spread.iter().all(|after| *after <= 30));
}
