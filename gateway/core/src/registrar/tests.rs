use std::mem::take;

use super::*;
use crate::testing::{at, claimed, device, seconds};

/// A gateway with sessions `user0000` and on, on connections 0 and on.
struct World {
    registrar: Registrar,
    locals: Locals,
    now: Now,
    effects: Vec<Effect>,
}

impl World {
    fn new(sessions: u64) -> Self {
        let now = seconds(100);
        let mut locals = Locals::default();
        for n in 0..sessions {
            locals.hold(named(n), claimed(n, 1));
        }
        Self { registrar: Registrar::new(now), locals, now, effects: Vec::new() }
    }

    /// Time passes by the second: for each call, after how many seconds, its name and its devices.
    fn calls(&mut self, seconds: u64) -> Vec<(u64, u64, Vec<Device>)> {
        let mut calls = Vec::new();
        for second in 1..=seconds {
            self.now = at(self.now.monotonic + Duration::from_secs(1));
            self.registrar.tick(self.now, &self.locals, &mut self.effects);
            for effect in take(&mut self.effects) {
                let Effect::Seen { call, devices } = effect else { panic!("{effect:?}") };
                calls.push((second, call, devices));
            }
        }
        calls
    }

    fn answer(&mut self, call: u64, unknown: Result<Vec<u32>, Away>) -> Vec<Effect> {
        let seen = unknown.map(|unknown| Seen { unknown, revoked: Vec::new() });
        self.registrar.seen(self.now, call, seen, &self.locals, &mut self.effects);
        take(&mut self.effects)
    }
}

fn named(n: u64) -> Device {
    device(&format!("user{n:04}"), "phone")
}

const HOURS: u64 = 3600;

#[test]
fn every_device_is_told_of_every_3_hours_spread_over_them() {
    let mut w = World::new(2_000);
    for _ in 0..2 {
        let calls = w.calls(3 * HOURS);
        let times: Vec<_> = calls.iter().map(|(second, ..)| *second).collect();
        assert_eq!(times, [3 * HOURS / 2, 3 * HOURS]);
        let devices: Vec<_> = calls.into_iter().flat_map(|(.., devices)| devices).collect();
        assert_eq!(devices, (0..2_000).map(named).collect::<Vec<_>>());
    }
}

#[test]
fn the_session_of_a_device_that_was_removed_ends_and_no_other() {
    let mut w = World::new(3);
    let [(_, call, _)] = &w.calls(3 * HOURS)[..] else { panic!() };
    assert_eq!(w.answer(*call, Ok(vec![1])), [Effect::Removed(ConnectionId(1))]);
    assert_eq!(w.answer(*call, Ok(vec![2])), [], "there is one answer");
}

#[test]
fn of_a_device_that_has_come_back_meanwhile_only_the_session_from_before_ends() {
    let mut w = World::new(3);
    let [(_, call, _)] = &w.calls(3 * HOURS)[..] else { panic!() };
    w.locals.hold(named(1), claimed(77, 2));
    w.locals.remove(&named(2), ConnectionId(2));
    let before = Effect::Removed(ConnectionId(1));
    assert_eq!(w.answer(*call, Ok(vec![1, 2])), [before]);
}

#[test]
fn all_sessions_of_a_device_that_was_removed_end() {
    let mut w = World::new(2);
    w.locals.hold(named(1), claimed(77, 2));
    let [(_, call, devices)] = &w.calls(3 * HOURS)[..] else { panic!() };
    assert_eq!(devices[..], [named(0), named(1), named(1)]);
    let removed = [77, 1].map(|connection| Effect::Removed(ConnectionId(connection)));
    assert_eq!(w.answer(*call, Ok(vec![1, 2])), removed);
}

#[test]
fn a_call_that_fails_is_repeated_every_minute_until_the_next_walk() {
    let mut w = World::new(3);
    let calls = w.calls(3 * HOURS);
    assert_eq!(w.answer(calls[0].1, Err(Away)), []);
    let again = w.calls(60);
    let [(60, call, devices)] = &again[..] else { panic!("{again:?}") };
    assert_eq!(*devices, calls[0].2);
    w.answer(*call, Err(Away));
    let [(60, call, _)] = w.calls(3 * HOURS - 61)[..] else { panic!() };
    w.answer(call, Err(Away));
    // The next walk asks about everyone: nobody is asked about twice.
    assert_eq!(w.calls(60).len(), 1);
}

#[test]
fn what_was_revoked_of_a_device_reaches_its_session() {
    let mut w = World::new(3);
    w.registrar.check_all(w.now);
    let [(300, call, _)] = w.calls(300)[..] else { panic!() };
    w.locals.remove(&named(2), ConnectionId(2));
    let seen = Seen { unknown: Vec::new(), revoked: vec![(1, 7), (2, 8)] };
    w.registrar.seen(w.now, call, Ok(seen), &w.locals, &mut w.effects);
    assert_eq!(w.effects, [Effect::Revoked(ConnectionId(1), 7)]);
    w.effects.clear();
    assert_eq!(w.calls(300), [], "once");
}
