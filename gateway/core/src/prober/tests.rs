use std::mem::take;

use super::*;
use crate::testing::{at, claimed, device, seconds};

/// A gateway with sessions `user0000` and on, on connections 0 and on.
struct World {
    prober: Prober,
    locals: Locals,
    manager_away: bool,
    now: Now,
    effects: Vec<Effect>,
}

impl World {
    fn new(sessions: u64) -> Self {
        let now = seconds(100);
        let mut locals = Locals::default();
        for n in 0..sessions {
            locals.hold(device(&format!("user{n:04}"), "phone"), claimed(n, 1));
        }
        let prober = Prober::new(now);
        Self { prober, locals, manager_away: false, now, effects: Vec::new() }
    }

    /// Time passes by the second: for each probe, after how many seconds and of how many devices.
    fn probes(&mut self, seconds: u64) -> Vec<(u64, usize)> {
        let mut probes = Vec::new();
        for second in 1..=seconds {
            self.now = at(self.now.monotonic + Duration::from_secs(1));
            self.prober.tick(self.now, self.manager_away, &self.locals, &mut self.effects);
            for effect in take(&mut self.effects) {
                if let Effect::Probe { devices, older_than, .. } = effect {
                    assert_eq!(older_than, Duration::from_secs(2));
                    probes.push((second, devices.len()));
                }
            }
        }
        probes
    }

    fn answer(&mut self, probe: u64, waiting: Result<Vec<u32>, Away>) -> Vec<Effect> {
        self.prober.probed(self.now, probe, waiting, &self.locals, &mut self.effects);
        take(&mut self.effects)
    }
}

#[test]
fn every_session_is_probed_every_5_minutes_a_thousand_a_call() {
    let mut w = World::new(2_500);
    for _ in 0..2 {
        assert_eq!(w.probes(300), [(120, 1_000), (240, 1_000), (300, 500)]);
    }
}

#[test]
fn every_session_is_probed_every_15_seconds_while_the_manager_is_away() {
    let mut w = World::new(10);
    assert_eq!(w.probes(20), []);
    w.manager_away = true;
    assert_eq!(w.probes(25), [(10, 10), (25, 10)]);
    w.manager_away = false;
    assert_eq!(w.probes(45), []);
}

#[test]
fn sessions_without_a_claim_are_probed_every_15_seconds() {
    let mut w = World::new(10);
    w.locals.hold(device("user0003", "phone"), Local { claimed: false, ..claimed(50, 1) });
    assert_eq!(w.probes(45), [(15, 1), (30, 1), (45, 1)]);
}

#[test]
fn a_loss_probes_all_sessions_once_within_30_seconds() {
    let mut w = World::new(2_000);
    w.prober.probe_all(w.now);
    assert_eq!(w.probes(60), [(15, 1_000), (30, 1_000)]);
}

#[test]
fn a_loss_during_the_walk_for_another_makes_another_walk() {
    let mut w = World::new(1_000);
    w.prober.probe_all(w.now);
    w.probes(10);
    w.prober.probe_all(w.now);
    w.prober.probe_all(w.now);
    assert_eq!(w.probes(80), [(20, 1_000), (50, 1_000)]);
}

#[test]
fn sessions_with_something_waiting_read_again() {
    let mut w = World::new(3);
    w.prober.probe_all(w.now);
    w.probes(30);
    w.locals.remove(&device("user0000", "phone"), ConnectionId(0));
    // One of them has gone, and one position is none.
    assert_eq!(w.answer(0, Ok(vec![0, 2, 9])), [Effect::ReadAgain(ConnectionId(2))]);
    assert!(w.answer(0, Ok(vec![1])).is_empty(), "a second answer");
}

#[test]
fn a_probe_that_fails_is_asked_three_times() {
    let mut w = World::new(3);
    w.prober.probe_all(w.now);
    assert_eq!(w.probes(30), [(30, 3)]);
    for probe in 0..2 {
        w.answer(probe, Err(Away));
        assert_eq!(w.probes(5), [(5, 3)]);
    }
    w.answer(2, Err(Away));
    assert_eq!(w.probes(60), []);
    assert!(w.prober.probes.is_empty());
}
