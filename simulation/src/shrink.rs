//! A failure made small: faults are left out for as long as the world still breaks a promise.

use crate::{Shape, World};

/// Worlds that are tried. Each takes a fraction of a second.
const TRIES: usize = 250;

/// The same world with as few faults as still break the same promise.
pub fn shrink(shape: &Shape, promise: &str) -> Shape {
    let mut best = shape.clone();
    let mut tries = 0;
    let mut size = best.faults.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < best.faults.len() && tries < TRIES {
            let mut shorter = best.clone();
            let to = (from + size).min(shorter.faults.len());
            shorter.faults.drain(from..to);
            tries += 1;
            let outcome = World::play(shorter.clone(), false);
            if outcome.violation.is_some_and(|violation| violation.promise == promise) {
                best = shorter;
            } else {
                from = to;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    best
}
