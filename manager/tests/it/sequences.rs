//! Any sequence of operations gets the same answers from both homes as from the model.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{
    fixtures::{Home, Memory, NOW, Redis, device, lease, user},
    model::{Cast, Model, Op, ask},
};

const USERS: usize = 3;
const DEVICES: usize = 2;
const GATEWAYS: usize = 3;

fn op() -> impl Strategy<Value = Op> {
    let (user, device, gateway) = (0..USERS, 0..DEVICES, 0..GATEWAYS);
    // Around each other, so that each part of the epoch's rule wins now and then.
    let now = NOW..NOW + 20;
    let last_epoch = prop::option::of(NOW - 10..NOW + 30);
    let off_by = prop_oneof![3 => Just(0u64), 1 => 1..3u64];
    let one = (user.clone(), device.clone(), off_by);
    prop_oneof![
        3 => gateway.clone().prop_map(Op::Renew),
        1 => gateway.clone().prop_map(Op::Lapse),
        1 => gateway.clone().prop_map(Op::End),
        2 => (user.clone(), device.clone(), gateway.clone(), 0..4u64, now.clone()).prop_map(
            |(user, device, gateway, off_by, now)| {
                Op::Reclaim { user, device, gateway, off_by, now }
            }
        ),
        6 => (user.clone(), device, gateway, last_epoch, now).prop_map(
            |(user, device, gateway, last_epoch, now)| {
                Op::Claim { user, device, gateway, last_epoch, now }
            }
        ),
        2 => one.clone().prop_map(|(user, device, off_by)| Op::Touch { user, device, off_by }),
        2 => one.prop_map(|(user, device, off_by)| Op::Release { user, device, off_by }),
        4 => prop::collection::vec(user.clone(), 0..4).prop_map(Op::Routes),
        4 => prop::collection::vec(user, 0..4).prop_map(Op::Presence),
        1 => Just(Op::Leases),
    ]
}

/// People and gateways that no other case has met.
fn cast() -> Cast {
    static CASES: AtomicU64 = AtomicU64::new(0);
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    Cast {
        users: (0..USERS).map(|n| user(&format!("case-{case}-user-{n}"))).collect(),
        devices: (0..DEVICES).map(|n| device(&format!("device-{n}"))).collect(),
        gateways: (0..GATEWAYS).map(|n| lease(&format!("gateway-{n}"))).collect(),
    }
}

async fn play(home: &impl Home, ops: &[Op]) -> Result<(), TestCaseError> {
    let (cast, mut model) = (cast(), Model::default());
    for op in ops {
        let answer = ask(home, &cast, &model, op).await;
        prop_assert_eq!(answer, model.answer(&cast, op), "{:?}", op);
    }
    Ok(())
}

fn run(cases: u32, home: &impl Home, runtime: &tokio::runtime::Runtime) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(op(), 1..40), |ops| runtime.block_on(play(home, &ops)))
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_memory_home_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    run(500, &Memory::new(), &runtime);
}

#[test]
fn the_redis_home_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = runtime.block_on(Redis::start_doubting());
    run(150, &home, &runtime);
}
