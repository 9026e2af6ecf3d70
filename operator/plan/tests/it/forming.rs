//! The steps of two common cases, as people read them in the log.

use operator_plan::{Command, Goal, Invariant, NoVote, NodeId, Seen, Step, broken_by, plan};

use crate::model::World;

fn ping_all(world: &mut World) {
    for _ in 0..2 {
        for from in 0..world.len() {
            for to in 0..world.len() {
                world.ping(from, to);
            }
        }
    }
}

/// Runs the plan to its end and returns the steps.
fn steps(world: &mut World, goal: &Goal) -> Vec<String> {
    let mut steps = Vec::new();
    while let Some(step) = plan(&world.picture(), goal) {
        for command in step.commands(&world.picture()) {
            world.execute(&command).unwrap();
        }
        steps.push(step.to_string());
        assert!(steps.len() < 100, "no end: {steps:#?}");
        ping_all(world);
    }
    assert_eq!(world.lacks(), None);
    steps
}

const GOAL: Goal = Goal { shards: 2, replicas: 1 };

#[test]
fn a_cluster_is_formed_from_empty_nodes() {
    let mut world = World::new(2, 2);
    assert_eq!(
        steps(&mut world, &GOAL),
        [
            "introduce redis-1 to redis-0: they do not know each other",
            "introduce redis-2 to redis-0: they do not know each other",
            "introduce redis-3 to redis-0: they do not know each other",
            "give slots 0-8191 to redis-0: no living node has them",
            "make redis-1 a replica of node 00000000, the master of its shard",
            "give slots 8192-16383 to redis-2: no living node has them",
            "make redis-3 a replica of node 00000000, the master of its shard",
        ]
    );
}

#[test]
fn a_master_that_came_back_as_a_stranger_is_replaced_by_its_replica_and_follows_it() {
    let mut world = World::new(2, 2);
    steps(&mut world, &GOAL);
    world.kill(2, false);
    world.start(2);
    ping_all(&mut world);
    assert_eq!(
        steps(&mut world, &GOAL),
        [
            "have redis-3 take over from node 00000000: it is no more",
            "have redis-0, redis-1, redis-3 forget node 00000000: it is no more",
            "introduce redis-2 to redis-0: they do not know each other",
            "make redis-2 a replica of node 00000000, the master of its shard",
        ]
    );
}

#[test]
fn without_a_replica_the_stranger_gets_the_slots_of_the_lost_shard() {
    let goal = Goal { shards: 2, replicas: 0 };
    let mut world = World::new(2, 1);
    steps(&mut world, &goal);
    world.kill(1, false);
    assert_eq!(
        plan(&world.picture(), &goal).map(|step| step.to_string()),
        Some("wait for redis-1 to answer".to_owned())
    );
    world.start(1);
    ping_all(&mut world);
    assert_eq!(
        steps(&mut world, &goal),
        [
            "have redis-0 forget node 00000000: it is no more",
            "introduce redis-1 to redis-0: they do not know each other",
            "give slots 8192-16383 to redis-1: no living node has them",
        ]
    );
}

#[test]
fn a_replica_takes_over_at_once_when_its_master_has_certainly_ended() {
    let mut world = World::new(2, 2);
    steps(&mut world, &GOAL);
    world.kill(0, true);
    let step = plan(&world.picture(), &GOAL).unwrap().to_string();
    assert_eq!(step, "have redis-1 take over from node 00000000: it is no more");
    // If it may only be cut off, Redis itself decides.
    world.kill(0, false);
    let step = plan(&world.picture(), &GOAL).unwrap().to_string();
    assert_eq!(step, "wait for redis-0 to answer");
}

#[test]
fn one_replica_takes_over_without_a_vote_when_the_majority_is_silent_and_the_rest_is_voted_on() {
    let goal = Goal { shards: 3, replicas: 1 };
    let mut world = World::new(3, 2);
    steps(&mut world, &goal);
    world.freeze(0, true);
    world.freeze(2, true);
    let next = |world: &World| plan(&world.picture(), &goal).unwrap().to_string();
    // Silence alone proves nothing: the others may hear them.
    assert_eq!(next(&world), "wait for redis-0 to answer");
    world.ping(5, 0);
    world.ping(5, 2);
    assert_eq!(next(&world), "wait for redis-0 to answer");
    ping_all(&mut world);
    assert_eq!(
        next(&world),
        "have redis-1 take over from node 00000000: \
         it is silent, and too few masters are left to vote"
    );
    for command in plan(&world.picture(), &goal).unwrap().commands(&world.picture()) {
        world.execute(&command).unwrap();
    }
    ping_all(&mut world);
    assert_eq!(next(&world), "wait for redis-0 to answer", "two of three can vote");
    world.elect(3);
    ping_all(&mut world);
    // They come back, hear of it, and follow.
    world.freeze(0, false);
    world.freeze(2, false);
    ping_all(&mut world);
    assert_eq!(steps(&mut world, &goal), [] as [&str; 0]);
}

#[test]
fn a_stranger_who_never_knew_the_lost_majority_does_not_hold_up_the_take_over() {
    let goal = Goal { shards: 3, replicas: 1 };
    let mut world = World::new(3, 2);
    steps(&mut world, &goal);
    world.freeze(0, true);
    world.freeze(2, true);
    ping_all(&mut world);
    world.kill(5, false);
    world.start(5);
    let step = plan(&world.picture(), &goal).unwrap().to_string();
    assert!(step.starts_with("have redis-1 take over"), "{step}");
}

#[test]
fn the_replica_with_the_freshest_copy_takes_over() {
    let goal = Goal { shards: 1, replicas: 2 };
    let mut world = World::new(1, 3);
    steps(&mut world, &goal);
    world.kill(0, true);
    let mut picture = world.picture();
    let replica = |picture: &_| match plan(picture, &goal) {
        Some(Step::TakeOver { replica, .. }) => replica,
        other => panic!("{other:?}"),
    };
    assert_eq!(replica(&picture), "redis-1");
    let Seen::Answers(view) = &mut picture.members[2].seen else { panic!() };
    view.offset = 1;
    assert_eq!(replica(&picture), "redis-2");
}

#[test]
fn a_vote_that_may_still_be_held_is_waited_for_whatever_the_plan_thinks() {
    let goal = Goal { shards: 3, replicas: 1 };
    let mut world = World::new(3, 2);
    steps(&mut world, &goal);
    let Seen::Answers(view) = world.picture().members[0].seen.clone() else { panic!() };
    let step = |replica: &str| Step::TakeOver {
        replica: replica.to_owned(),
        from: view.me.clone(),
        because: NoVote::MajorityLost,
    };
    let broken = |world: &World, replica| broken_by(&step(replica), &world.picture());
    assert_eq!(broken(&world, "redis-1"), Some(Invariant::OnlyTheGoneAreTakenOver));
    world.freeze(0, true);
    ping_all(&mut world);
    assert_eq!(broken(&world, "redis-1"), Some(Invariant::TheVoteComesFirst));
    // The others hear it, only we do not.
    world.freeze(0, false);
    ping_all(&mut world);
    world.hide(0, true);
    world.freeze(2, true);
    ping_all(&mut world);
    assert_eq!(broken(&world, "redis-1"), Some(Invariant::TheVoteComesFirst));
    world.freeze(0, true);
    ping_all(&mut world);
    assert_eq!(broken(&world, "redis-1"), None);
    assert_eq!(broken(&world, "redis-3"), Some(Invariant::OnlyTheGoneAreTakenOver));
}

#[test]
fn a_master_that_thaws_after_a_vote_is_left_to_hear_of_it() {
    let goal = Goal { shards: 3, replicas: 2 };
    let mut world = World::new(3, 3);
    steps(&mut world, &goal);
    world.freeze(0, true);
    ping_all(&mut world);
    world.elect(1);
    ping_all(&mut world);
    // For a moment the shard has two masters, and the other replica follows the newer one.
    world.freeze(0, false);
    assert_eq!(
        plan(&world.picture(), &goal).unwrap().to_string(),
        "wait for redis-0 to hear what the others know"
    );
    ping_all(&mut world);
    assert_eq!(steps(&mut world, &goal), [] as [&str; 0]);
}

#[test]
fn a_replica_that_strayed_to_a_lost_shard_comes_home() {
    let mut world = World::new(2, 2);
    steps(&mut world, &GOAL);
    let Seen::Answers(view) = &world.picture().members[0].seen else { panic!() };
    let words = ["CLUSTER", "REPLICATE", &view.me.0].map(String::from).to_vec();
    world.execute(&Command { at: World::name(3), words }).unwrap();
    ping_all(&mut world);
    for place in [0, 1] {
        world.kill(place, false);
        world.start(place);
    }
    ping_all(&mut world);
    let steps = steps(&mut world, &GOAL);
    assert!(steps.iter().any(|step| step.starts_with("make redis-3 a replica")), "{steps:#?}");
    assert!(steps.iter().any(|step| step.starts_with("give slots 0-8191")), "{steps:#?}");
}

#[test]
fn slots_of_a_node_that_is_no_member_are_not_given_away() {
    let goal = Goal { shards: 2, replicas: 0 };
    let mut world = World::new(2, 1);
    steps(&mut world, &goal);
    let mut picture = world.picture();
    // Somebody lists another place for the second shard, and its node has been introduced.
    picture.members[1].seen = Seen::Absent;
    picture.members[1].place.ip = "10.0.0.9".into();
    let step = plan(&picture, &goal).unwrap().to_string();
    assert_eq!(step, "wait for redis-1 to answer");
    let mut stranger = World::new(2, 1).picture().members.remove(1);
    let Seen::Answers(view) = &mut stranger.seen else { panic!() };
    let Seen::Answers(host) = &mut picture.members[0].seen else { panic!() };
    (view.known[0].ip, view.known[0].id) = ("10.0.0.9".into(), NodeId("f".repeat(40)));
    view.me = view.known[0].id.clone();
    host.known.push(view.known[0].clone());
    view.known.extend(host.known[..2].to_vec());
    picture.members[1].seen = stranger.seen;
    let step = plan(&picture, &goal).unwrap().to_string();
    assert_eq!(step, "wait for the owner of slots 8192-16383, which is no member");
}

#[test]
fn two_clusters_with_the_same_slots_are_left_to_people() {
    let goal = Goal { shards: 1, replicas: 0 };
    let mut worlds = [World::new(1, 1), World::new(1, 1)];
    for world in &mut worlds {
        steps(world, &goal);
    }
    let [mut mixed, other] = worlds.map(|world| world.picture());
    mixed.members.extend(other.members);
    let stranger = &mut mixed.members[1];
    (stranger.name, stranger.place.ip) = ("redis-1".into(), "10.0.0.1".into());
    let Seen::Answers(view) = &mut stranger.seen else { panic!() };
    let id = NodeId("f".repeat(40));
    (view.known[0].id, view.known[0].ip) = (id.clone(), "10.0.0.1".into());
    view.me = id;
    let step = plan(&mixed, &Goal { shards: 1, replicas: 1 }).unwrap().to_string();
    assert!(step.contains("for a person"), "{step}");
}
