//! Whatever happens to the nodes: no step does harm, and when the storm is over the plan leads to a
//! whole cluster.

use operator_plan::{Goal, plan};
use proptest::prelude::*;

use crate::model::World;

#[derive(Debug, Clone)]
enum Event {
    Kill(usize, bool),
    Start(usize),
    Freeze(usize, bool),
    Hide(usize, bool),
    Ping(usize, usize),
    PingAll,
    Elect(usize),
    /// The operator looks and does one step.
    Step,
    /// The operator looked, and does the step when this much has happened meanwhile.
    LateStep(usize, usize),
}

/// Numbers are taken modulo the size of the cluster.
fn event() -> impl Strategy<Value = Event> {
    let place = 0..6usize;
    prop_oneof![
        1 => (place.clone(), any::<bool>()).prop_map(|(place, known)| Event::Kill(place, known)),
        2 => place.clone().prop_map(Event::Start),
        1 => (place.clone(), any::<bool>()).prop_map(|(place, on)| Event::Freeze(place, on)),
        1 => (place.clone(), any::<bool>()).prop_map(|(place, on)| Event::Hide(place, on)),
        4 => (place.clone(), place.clone()).prop_map(|(from, to)| Event::Ping(from, to)),
        3 => Just(Event::PingAll),
        2 => place.clone().prop_map(Event::Elect),
        12 => Just(Event::Step),
        1 => (place.clone(), place).prop_map(|(from, to)| Event::LateStep(from, to)),
    ]
}

fn happen(world: &mut World, event: &Event, goal: &Goal) -> Result<(), TestCaseError> {
    let size = world.len();
    match *event {
        Event::Kill(place, known) => world.kill(place % size, known),
        Event::Start(place) => world.start(place % size),
        Event::Freeze(place, on) => world.freeze(place % size, on),
        Event::Hide(place, on) => world.hide(place % size, on),
        Event::Ping(from, to) => world.ping(from % size, to % size),
        Event::PingAll => ping_all(world),
        Event::Elect(place) => world.elect(place % size),
        Event::Step => drop(step(world, goal, |_| {})?),
        Event::LateStep(from, to) => {
            drop(step(world, goal, |world| world.ping(from % size, to % size))?);
        }
    }
    Ok(())
}

fn ping_all(world: &mut World) {
    for from in 0..world.len() {
        for to in 0..world.len() {
            world.ping(from, to);
        }
    }
}

/// One turn of the operator; what it did, if there was something to do.
fn step(
    world: &mut World,
    goal: &Goal,
    meanwhile: impl Fn(&mut World),
) -> Result<Option<String>, TestCaseError> {
    let picture = world.picture();
    let Some(step) = plan(&picture, goal) else { return Ok(None) };
    let premature = world.premature(&step);
    prop_assert!(premature.is_none(), "{}", premature.unwrap_or_default());
    meanwhile(world);
    let harm = world.harm(&step);
    prop_assert!(harm.is_none(), "{}", harm.unwrap_or_default());
    for command in step.commands(&picture) {
        // A refusal shows in the next picture.
        let _ = world.execute(&command);
    }
    Ok(Some(step.to_string()))
}

fn weather(shards: usize, replicas: usize, events: &[Event]) -> Result<(), TestCaseError> {
    let goal = Goal { shards, replicas };
    let mut world = World::new(shards, 1 + replicas);
    for event in events {
        happen(&mut world, event, &goal)?;
    }
    for place in 0..world.len() {
        world.start(place);
        world.freeze(place, false);
        world.hide(place, false);
    }
    let mut steps = Vec::new();
    for _ in 0..100 {
        ping_all(&mut world);
        match step(&mut world, &goal, |_| {})? {
            Some(step) => steps.push(step),
            None => {
                let lacks = world.lacks();
                prop_assert!(lacks.is_none(), "{}; {steps:#?}", lacks.unwrap_or_default());
                return Ok(());
            }
        }
    }
    Err(TestCaseError::fail(format!("no end: {steps:#?}\n{:#?}", world.lacks())))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_masters_without_replicas(events in prop::collection::vec(event(), 0..80)) {
        weather(3, 0, &events)?;
    }

    #[test]
    fn three_masters_with_a_replica_each(events in prop::collection::vec(event(), 0..80)) {
        weather(3, 1, &events)?;
    }

    #[test]
    fn one_shard_of_three(events in prop::collection::vec(event(), 0..60)) {
        weather(1, 2, &events)?;
    }
}
