use std::{collections::BTreeMap, mem::take};

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::testing::{at, claimed, device, gateway, incarnation, seconds};

/// A gateway's lease, whose manager the test plays.
struct Keeper {
    keeper: LeaseKeeper,
    locals: Locals,
    rng: StdRng,
    now: Now,
    effects: Vec<Effect>,
}

impl Keeper {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let keeper = LeaseKeeper::new(&mut rng);
        Self { keeper, locals: Locals::default(), rng, now: seconds(100), effects: Vec::new() }
    }

    /// With a lease that was taken at this moment.
    fn born() -> Self {
        let mut k = Self::new();
        k.tick();
        k.renewed(Ok(Renewal::Created));
        k.effects.clear();
        k
    }

    fn with_sessions(count: u64) -> Self {
        let mut k = Self::born();
        // The first walk would meet them, and is over when real ones come.
        k.keeper.walks.clear();
        for n in 0..count {
            k.locals.hold(device(&format!("user{n}"), "phone"), claimed(n, 1));
        }
        k
    }

    fn tick(&mut self) {
        self.keeper.tick(self.now, &self.locals, &mut self.effects);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = at(self.now.monotonic + Duration::from_secs(seconds));
        self.tick();
    }

    fn renewed(&mut self, found: Result<Renewal, Away>) {
        self.keeper.renewed(self.now, found, &mut self.rng, &mut self.effects);
    }

    fn leases(&mut self, alive: &[u64]) {
        let alive = alive.iter().map(|n| gateway(*n)).collect();
        self.keeper.leases(Ok(alive), &mut self.effects);
    }

    fn own(&self) -> Incarnation {
        *self.keeper.own().last().unwrap()
    }

    /// What was wanted since the last look, but for the reads of leases and shards.
    fn effects(&mut self) -> Vec<Effect> {
        let watch = |effect: &Effect| !matches!(effect, Effect::ReadLeases | Effect::ReadShards);
        take(&mut self.effects).into_iter().filter(watch).collect()
    }

    /// The sessions that claim again within the next seconds, per second.
    fn reasserts(&mut self, seconds: u64) -> Vec<usize> {
        let count = |effect: &Effect| match effect {
            Effect::Reassert(connections) => connections.len(),
            _ => 0,
        };
        (0..seconds)
            .map(|_| {
                self.wait(1);
                take(&mut self.effects).iter().map(count).sum()
            })
            .collect()
    }
}

#[test]
fn the_lease_is_renewed_every_5_seconds() {
    let mut k = Keeper::new();
    let own = k.own();
    k.tick();
    assert_eq!(k.effects(), [Effect::Renew(own)]);
    k.renewed(Ok(Renewal::Created));
    for _ in 0..10 {
        k.wait(4);
        assert!(k.effects().is_empty());
        k.wait(1);
        assert_eq!(k.effects(), [Effect::Renew(own)]);
        k.renewed(Ok(Renewal::Kept));
        assert!(k.effects().is_empty());
    }
}

#[test]
fn a_renewal_without_an_answer_is_not_doubled_and_a_failed_one_is_repeated_soon() {
    let mut k = Keeper::born();
    k.wait(5);
    k.effects();
    k.wait(3);
    assert!(k.effects().is_empty());
    k.renewed(Err(Away));
    k.wait(1);
    assert_eq!(k.effects(), [Effect::Renew(k.own())]);
    // The one that failed may have found nothing and taken the lease anew.
    k.renewed(Ok(Renewal::Kept));
    assert_eq!(k.effects(), [Effect::ProbeAll]);
}

#[test]
fn a_key_that_is_gone_makes_a_new_incarnation_whose_sessions_claim_again() {
    let mut k = Keeper::with_sessions(1_000);
    let old = k.own();
    k.wait(5);
    k.effects();
    k.renewed(Ok(Renewal::Created));
    let new = k.own();
    assert_ne!(old, new);
    assert_eq!(k.keeper.own(), [old, new]);
    assert_eq!(k.effects(), [Effect::End(old), Effect::TakeIncarnation(new), Effect::Renew(new)]);
    // Claims of an incarnation without a lease would be worth nothing: they wait for it.
    assert_eq!(k.reasserts(2), [0, 0]);
    k.renewed(Ok(Renewal::Created));
    let claims = k.reasserts(11);
    assert_eq!(claims.iter().sum::<usize>(), 1_000);
    assert!(claims.iter().all(|claims| *claims <= 200), "{claims:?}");
}

#[test]
fn an_answer_that_comes_too_late_proves_nothing() {
    for (late, lapsed) in [(10, false), (11, true)] {
        let mut k = Keeper::born();
        let old = k.own();
        k.wait(5);
        k.wait(late);
        k.effects();
        k.renewed(Ok(Renewal::Kept));
        assert_eq!(k.own() != old, lapsed, "{} s after the lease was taken", 5 + late);
    }
}

#[test]
fn a_lease_is_counted_from_before_its_renewal_was_sent() {
    let mut k = Keeper::born();
    k.wait(5);
    // The manager renewed it within these 9 seconds, nobody knows when.
    k.wait(9);
    k.renewed(Ok(Renewal::Kept));
    k.wait(1);
    k.effects();
    let old = k.own();
    k.wait(6);
    k.renewed(Ok(Renewal::Kept));
    assert_ne!(k.own(), old, "16 s after the renewal that is known to have worked was sent");
}

#[test]
fn with_the_manager_away_nothing_changes_until_it_is_back() {
    let mut k = Keeper::with_sessions(10);
    let old = k.own();
    for _ in 0..100 {
        k.wait(5);
        k.renewed(Err(Away));
        k.keeper.leases(Err(Away), &mut Vec::new());
        k.keeper.shards(k.now, Err(Away));
    }
    assert!(k.effects().iter().all(|effect| *effect == Effect::Renew(old)));
    k.wait(1);
    k.renewed(Ok(Renewal::Created));
    assert_ne!(k.own(), old);
}

#[test]
fn sessions_on_a_shard_with_a_new_master_claim_again_and_others_do_not() {
    let mut k = Keeper::with_sessions(300);
    let shards = |first: &str| vec![(0, 8_191, first.to_owned()), (8_192, 16_383, "b".to_owned())];
    k.keeper.shards(k.now, Ok(shards("a")));
    assert_eq!(k.reasserts(11).iter().sum::<usize>(), 0);
    k.keeper.shards(k.now, Ok(shards("a")));
    assert_eq!(k.reasserts(11).iter().sum::<usize>(), 0);
    k.keeper.shards(k.now, Ok(shards("a2")));
    let touched = k.locals.after(None).filter(|(d, _)| super::shards::slot(&d.user) < 8_192);
    let touched = touched.count();
    assert!((100..200).contains(&touched));
    assert_eq!(k.reasserts(11).iter().sum::<usize>(), touched);
}

#[test]
fn many_changes_of_masters_become_one_walk_over_all() {
    let mut k = Keeper::with_sessions(300);
    for n in 0..10 {
        k.keeper.shards(k.now, Ok(vec![(0, 16_383, n.to_string())]));
    }
    assert!(k.keeper.walks.len() <= WALKS);
    assert!(k.reasserts(11).iter().sum::<usize>() >= 300);
}

#[test]
fn a_lease_that_is_over_is_told_once_and_ones_own_never() {
    let mut k = Keeper::born();
    let Incarnation(own) = k.own();
    k.leases(&[2, 3]);
    assert!(matches!(&k.effects()[..], [Effect::Gateways { alive, .. }] if alive.len() == 2));
    k.wait(5);
    let mine = Gateway { incarnation: Incarnation(own), ..gateway(9) };
    k.keeper.leases(Ok(vec![gateway(3), mine]), &mut k.effects);
    assert!(k.effects().contains(&Effect::GatewayLost(incarnation(2))));
    k.wait(5);
    k.leases(&[3]);
    assert!(!k.effects().iter().any(|effect| matches!(effect, Effect::GatewayLost(_))));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// The renewal reaches the manager.
    Arrives,
    /// Its answer reaches the gateway.
    Answered,
    /// It or its answer is lost.
    Fails,
    /// The manager loses what it has.
    Loses,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..8).prop_map(Step::Wait),
        4 => Just(Step::Arrives),
        4 => Just(Step::Answered),
        1 => Just(Step::Fails),
        1 => Just(Step::Loses),
    ]
}

proptest! {
    /// Whatever happens to the manager's key: when it had a gap before a renewal, the answer makes
    /// the sessions claim again, at once or under the next incarnation, or at least probes them.
    #[test]
    fn a_lapse_of_the_lease_never_goes_unnoticed(steps in prop::collection::vec(step(), 1..120)) {
        let mut k = Keeper::new();
        let mut keys = BTreeMap::<Incarnation, Duration>::new();
        let mut lapsed = BTreeSet::new();
        let mut sent: Option<Incarnation> = None;
        // With it: whether the key had lapsed before the renewal came.
        let mut answer: Option<(Renewal, bool)> = None;
        for step in steps {
            let now = k.now.monotonic;
            let over = keys.extract_if(.., |_, until| *until <= now);
            lapsed.extend(over.map(|(incarnation, _)| incarnation));
            match step {
                Step::Wait(seconds) => k.wait(seconds),
                Step::Arrives => if let Some(incarnation) = sent.take() {
                    let before = keys.insert(incarnation, now + TTL);
                    let found = if before.is_some() { Renewal::Kept } else { Renewal::Created };
                    answer = Some((found, lapsed.contains(&incarnation)));
                },
                Step::Answered => if let Some((found, gap)) = answer.take() {
                    let judged = k.own();
                    k.keeper.walks.clear();
                    k.renewed(Ok(found));
                    let noticed = k.own() != judged
                        || !k.keeper.walks.is_empty()
                        || k.effects.contains(&Effect::ProbeAll);
                    prop_assert!(!gap || noticed);
                    if noticed {
                        lapsed.remove(&judged);
                    }
                },
                Step::Fails => if sent.take().is_some() || answer.take().is_some() {
                    k.renewed(Err(Away));
                },
                Step::Loses => lapsed.extend(take(&mut keys).into_keys()),
            }
            for effect in take(&mut k.effects) {
                if let Effect::Renew(incarnation) = effect {
                    prop_assert!(sent.replace(incarnation).is_none() && answer.is_none());
                }
            }
        }
    }
}
