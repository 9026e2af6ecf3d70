//! Some seeds, played in every run of the tests. `make sim` plays hundreds.

use chatcluster_simulation::{Shape, World, campaign::Campaign};

/// Seeds whose worlds between them have one and three replicas.
const SEEDS: [u64; 6] = [1, 2, 4, 5, 6, 9];

#[test]
fn every_promise_is_kept() {
    let campaign = Campaign::run(&SEEDS, 2, |_, _| {});
    assert!(campaign.failed.is_empty(), "{:#?}", campaign.failed);
    assert!(campaign.small.is_empty(), "{:?}", campaign.small);
}

#[test]
fn a_seed_gives_the_same_world_each_time() {
    let [one, two] = [(); 2].map(|()| World::play(Shape::of(4), true));
    assert_eq!(one.events, two.events);
    assert_eq!(one.trace, two.trace);
}
