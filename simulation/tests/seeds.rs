//! Seeds that every run of the tests plays: as many as derive from the source, so that each change of it
//! tries others, and those that have found a bug. `make sim` plays thousands.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chatcluster_simulation::{Shape, World, campaign::Campaign};
use sha2::{Digest, Sha256};

/// How many derive from the source.
const DERIVED: u64 = 300;

/// What a world is made of.
const SOURCES: [&str; 5] =
    ["protocol/src", "manager/src", "gateway/core/src", "messages/core/src", "simulation/src"];

/// Seeds that have found a bug, which is mended. A change of the simulation makes other worlds of them;
/// each bug has a unit test besides.
const MENDED: [(&str, &[u64]); 23] = [
    ("a client that read of a failed send late had newer ones stored before it", &[3, 13]),
    ("a session that asserted its route again took it from a newer one", &[14]),
    (
        "a claim was carried out after its client had left",
        &[47, 103, 108, 114, 115, 148, 165, 197, 216, 221, 228, 246, 252, 275],
    ),
    ("what was seen over another connection did not bind ids", &[266]),
    (
        "a connection was accepted after a younger one of its device",
        &[1392, 1578, 1606, 2166, 2618],
    ),
    ("a message kept an id below that of an earlier one, which had moved up", &[1963, 2676, 7985]),
    ("the simulation's own client read an inbox out of order", &[2695]),
    ("a claim that was carried out twice hid whom it displaced", &[349, 1777]),
    ("an id stored first under a clock that is ahead did not bind what followed", &[1779]),
    ("the order in which sends were to come again was forgotten", &[205, 5095]),
    (
        "a push was lost with a connection whose client was elsewhere, or in a drain",
        &[259, 882, 20041, 21440],
    ),
    ("an ack was forgotten that came again while its call was under way", &[3237, 4963]),
    ("nobody was told of a message whose sender was removed before repeating it", &[1275]),
    ("what was on its way to a slow replica outlived its device", &[2187, 6140, 6589]),
    ("a replica that heard of a removal late revoked the tokens of a device that was back", &[227]),
    ("a late word that a device is here brought a removed one back", &[1207]),
    ("a removal that was finished late ended no open session", &[2385, 4659]),
    ("what was overtaken and not repeated any more stayed pending", &[7847]),
    ("what was sent behind a change of a group was stored before it", &[6917]),
    ("what somebody sent who was removed since stayed below what had moved up", &[7661]),
    (
        "repair brought a registration to a replica before its own call, which found it known",
        &[2393],
    ),
    ("a write found a message that repair had given without its place in the index", &[2139]),
    ("a manager that was away for 3 s left a message to the backstop", &[673420277]),
];

#[test]
fn every_promise_is_kept_and_every_branch_is_taken() -> io::Result<()> {
    let first = derived()?;
    println!("seeds from {first} (`make sim SEED={first}`)");
    let mended = MENDED.iter().flat_map(|(_, seeds)| *seeds).copied();
    let seeds: Vec<u64> = (first..first + DERIVED).chain(mended).collect();
    let campaign = Campaign::run(&seeds, 2, |_, _| {});
    assert!(campaign.failed.is_empty(), "`make sim SEED=n` tells more: {:#?}", campaign.failed);
    assert!(campaign.small.is_empty(), "{:?}", campaign.small);
    assert_eq!(campaign.uncovered(), [""; 0], "of what seeds from {first} have to take");
    Ok(())
}

#[test]
fn a_seed_gives_the_same_world_each_time() {
    let [one, two] = [(); 2].map(|()| World::play(Shape::of(2), true));
    assert_eq!(one.events, two.events);
    assert_eq!(one.trace, two.trace);
}

/// The first of the seeds that belong to this source.
fn derived() -> io::Result<u64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut hash = Sha256::new();
    for source in SOURCES {
        for file in files(&root.join(source))? {
            hash.update(fs::read(file)?);
        }
    }
    let digest = hash.finalize();
    // Short enough to be typed.
    Ok(u64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])))
}

/// The files below a folder, in an order that is the same everywhere.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let below =
        paths.into_iter().map(|path| if path.is_dir() { files(&path) } else { Ok(vec![path]) });
    Ok(below.collect::<io::Result<Vec<_>>>()?.concat())
}
