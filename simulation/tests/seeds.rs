//! Some seeds, played in every run of the tests. `make sim` plays hundreds.

use chatcluster_simulation::{Shape, World, campaign::Campaign};

/// Worlds with one and with three replicas.
const SEEDS: [u64; 2] = [2, 5];

/// Seeds that have found a bug of ours, which is mended. A change of the simulation makes other worlds of
/// them; each bug has a unit test besides.
const MENDED: [u64; 3] = [
    // A client that read of a failed send late had newer ones stored before it.
    3, 13, // A session that asserted its route again took it from a newer one.
    14,
];

#[test]
fn every_promise_is_kept() {
    let seeds: Vec<u64> = SEEDS.into_iter().chain(MENDED).collect();
    let campaign = Campaign::run(&seeds, 2, |_, _| {});
    assert!(campaign.failed.is_empty(), "{:#?}", campaign.failed);
    assert!(campaign.small.is_empty(), "{:?}", campaign.small);
}

#[test]
fn a_seed_gives_the_same_world_each_time() {
    let [one, two] = [(); 2].map(|()| World::play(Shape::of(2), true));
    assert_eq!(one.events, two.events);
    assert_eq!(one.trace, two.trace);
}
