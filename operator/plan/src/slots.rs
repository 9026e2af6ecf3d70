//! Sets of hash slots.

use std::{fmt, ops::RangeInclusive};

/// How many hash slots a cluster has.
pub const SLOTS: u16 = 16384;

/// A set of hash slots. Shows itself as ranges: `0-5460 10923`.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots(Box<[u64; WORDS]>);

/// A bit for each slot.
const WORDS: usize = SLOTS as usize / 64;

impl Slots {
    /// No slot.
    pub fn none() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Every slot.
    pub fn all() -> Self {
        Self(Box::new([u64::MAX; WORDS]))
    }

    /// The part of a shard when `shards` of them share the slots evenly.
    pub fn part(shard: usize, shards: usize) -> Self {
        let mut slots = Self::none();
        if shard < shards {
            let start = |shard| (shard * usize::from(SLOTS) / shards) as u16;
            slots.add(start(shard)..=start(shard + 1) - 1);
        }
        slots
    }

    /// Adds a range. What is beyond the last slot is left out.
    pub fn add(&mut self, range: RangeInclusive<u16>) {
        for slot in range.take_while(|slot| *slot < SLOTS) {
            self.0[usize::from(slot / 64)] |= 1 << (slot % 64);
        }
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        *self.0 == [0; WORDS]
    }

    /// How many slots are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// What is in either.
    pub fn union(&self, other: &Self) -> Self {
        self.with(other, |one, other| one | other)
    }

    /// What is in both.
    pub fn intersection(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & other)
    }

    /// What is in this and not in the other.
    pub fn without(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & !other)
    }

    /// The ranges, first and last slot, in order.
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in (0..SLOTS).filter(|slot| self.contains(*slot)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }

    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self(Box::new(std::array::from_fn(|word| join(self.0[word], other.0[word]))))
    }
}

impl<'a> FromIterator<&'a Slots> for Slots {
    /// What is in any of them.
    fn from_iter<I: IntoIterator<Item = &'a Slots>>(sets: I) -> Self {
        sets.into_iter().fold(Self::none(), |all, set| all.union(set))
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |(first, last): &(u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        f.write_str(&self.ranges().iter().map(range).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_shards_are_all_slots_and_nearly_equal() {
        for shards in 1..20 {
            let parts: Vec<_> = (0..shards).map(|shard| Slots::part(shard, shards)).collect();
            assert_eq!(parts.iter().collect::<Slots>(), Slots::all());
            assert_eq!(parts.iter().map(Slots::len).sum::<usize>(), usize::from(SLOTS));
            assert!(parts.iter().all(|part| part.len().abs_diff(16384 / shards) <= 1));
        }
        assert!(Slots::part(3, 3).is_empty());
    }

    #[test]
    fn sets_show_their_ranges() {
        let mut slots = Slots::part(0, 3);
        slots.add(7000..=7000);
        slots.add(16383..=u16::MAX);
        assert_eq!(slots.to_string(), "0-5460 7000 16383");
        assert_eq!(slots.without(&Slots::part(0, 3)).to_string(), "7000 16383");
    }
}
