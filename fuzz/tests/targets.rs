//! Each target, with what is in `corpus/` and with what chance brings.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::PathBuf};

use chatcluster_fuzz::{TARGETS, Target};
use proptest::{
    prelude::*,
    test_runner::{TestRng, TestRunner},
};

/// Asked when the test runs: checkouts share their build folder.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let folder = PathBuf::from(package).join("corpus").join(name);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn what_ever_broke_something_breaks_nothing_any_more() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "corpus/{name} is empty");
        inputs.iter().for_each(|input| target(input));
    }
}

/// An input of the corpus with some bytes changed, cut or repeated.
fn mutated() -> impl Strategy<Value = (Target, Vec<u8>)> {
    let all = TARGETS.into_iter().flat_map(|(name, target)| {
        corpus(name).into_iter().map(move |input| (target, input)).collect::<Vec<_>>()
    });
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    let changes = prop::collection::vec(change, 0..8);
    (prop::sample::select(all.collect::<Vec<_>>()), changes).prop_map(
        |((target, mut input), changes)| {
            for (at, byte, how) in changes {
                if input.is_empty() {
                    input.push(byte);
                }
                let at = at.index(input.len());
                match how {
                    0 => input[at] = byte,
                    1 => input.insert(at, byte),
                    2 => input.truncate(at),
                    _ => input.extend_from_within(at..),
                }
                input.truncate(4096);
            }
            (target, input)
        },
    )
}

/// The same changes each time: `make fuzz` tries others.
#[test]
fn whatever_comes_it_holds() {
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..Default::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let played = runner.run(&mutated(), |(target, input)| {
        target(&input);
        Ok(())
    });
    played.unwrap_or_else(|failure| panic!("{failure}"));
}
