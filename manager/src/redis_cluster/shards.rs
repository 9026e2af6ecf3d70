//! Who is master of which slots, out of what single nodes say.
//!
//! A node that was frozen or cut off tells an old story for a while. Its answer must not look like a
//! change of the master and back, because each change makes gateways claim all routes of the shard
//! again. So an owner is only displaced by one with a higher config epoch, which is how the nodes
//! themselves settle it; or when nobody has confirmed it for a while.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{SLOTS, ShardMap};

/// How long an owner is believed against answers that contradict it with lower epochs. Gossip reaches
/// every node of a large cluster well within it.
const BELIEVED: Duration = Duration::from_secs(30);

/// What is believed of each slot.
#[derive(Default)]
pub(super) struct Shards {
    slots: HashMap<u16, Owner>,
}

#[derive(Clone, PartialEq, Eq)]
struct Owner {
    node: String,
    epoch: u64,
    confirmed: Instant,
}

/// An answer to `CLUSTER NODES` that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a line of CLUSTER NODES")]
pub(super) struct Unreadable(String);

impl Shards {
    /// Takes in what a node answered to `CLUSTER NODES`, and says what is believed now.
    pub(super) fn hear(&mut self, answer: &str, now: Instant) -> Result<ShardMap, Unreadable> {
        let lines = answer.lines().filter(|line| !line.is_empty());
        let nodes = lines
            .map(|line| Node::read(line).ok_or_else(|| Unreadable(line.to_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        let mut told: Vec<Option<&Node<'_>>> = vec![None; SLOTS.into()];
        for node in &nodes {
            for (first, last) in &node.slots {
                told[usize::from(*first)..=usize::from(*last)].fill(Some(node));
            }
        }
        for (slot, node) in (0..SLOTS).zip(told) {
            self.hear_of_slot(slot, node, &nodes, now);
        }
        Ok(self.map())
    }

    fn hear_of_slot(
        &mut self,
        slot: u16,
        told: Option<&Node<'_>>,
        nodes: &[Node<'_>],
        now: Instant,
    ) {
        if let Some(believed) = self.slots.get(&slot) {
            let outdated = told.is_some_and(|n| n.id != believed.node && n.epoch < believed.epoch);
            let known = nodes.iter().any(|node| node.id == believed.node);
            if outdated && known && now.duration_since(believed.confirmed) < BELIEVED {
                return;
            }
        }
        match told {
            Some(node) => {
                let owner = Owner { node: node.id.to_owned(), epoch: node.epoch, confirmed: now };
                self.slots.insert(slot, owner);
            }
            None => {
                self.slots.remove(&slot);
            }
        }
    }

    fn map(&self) -> ShardMap {
        let mut masters: Vec<(u16, u16, String)> = Vec::new();
        for slot in 0..SLOTS {
            let Some(owner) = self.slots.get(&slot) else { continue };
            match masters.last_mut() {
                Some((_, last, name)) if *last + 1 == slot && *name == owner.node => *last = slot,
                _ => masters.push((slot, slot, owner.node.clone())),
            }
        }
        ShardMap { masters }
    }
}

/// A line of `CLUSTER NODES`, as far as it matters here:
/// `id address flags master ping pong epoch link slots…`.
struct Node<'a> {
    id: &'a str,
    epoch: u64,
    slots: Vec<(u16, u16)>,
}

impl<'a> Node<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        let id = words.next().filter(|id| !id.is_empty())?;
        let epoch = words.nth(5)?.parse().ok()?;
        let _link = words.next()?;
        // In brackets stand slots on the move, which still belong to whoever lists them in full.
        let owned = words.filter(|word| !word.is_empty() && !word.starts_with('['));
        let slots = owned.map(range).collect::<Option<Vec<_>>>()?;
        Some(Self { id, epoch, slots })
    }
}

fn range(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A1: &str = "aaa 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-8191\n";
    const B2: &str = "bbb 127.0.0.1:3@4 master - 0 0 2 connected 8192-16382 16383 [5->-aaa]\n";
    const C1: &str = "ccc 127.0.0.1:5@6 slave aaa 0 0 1 connected\n";
    const C7: &str = "ccc 127.0.0.1:5@6 master - 0 0 7 connected 0-8191\n";
    const A_SLAVE: &str = "aaa 127.0.0.1:1@2 slave ccc 0 0 7 connected\n";

    fn masters(map: &ShardMap) -> [Option<&str>; 2] {
        [map.master_of(0), map.master_of(16383)]
    }

    #[test]
    fn neighbouring_slots_of_one_master_are_one_range() {
        let map = Shards::default().hear(&format!("{A1}{B2}{C1}"), Instant::now()).unwrap();
        let expected = [(0, 8191, "aaa".to_owned()), (8192, 16383, "bbb".to_owned())];
        assert_eq!(map.masters, expected);
    }

    #[test]
    fn a_take_over_is_not_undone_by_a_node_that_missed_it() {
        let (mut shards, now) = (Shards::default(), Instant::now());
        let old = format!("{A1}{B2}{C1}");
        shards.hear(&old, now).unwrap();
        let map = shards.hear(&format!("{A_SLAVE}{B2}{C7}"), now).unwrap();
        assert_eq!(masters(&map), [Some("ccc"), Some("bbb")]);
        assert_eq!(shards.hear(&old, now).unwrap(), map);
        // Nobody confirms it any more: the "old" story is the true one.
        let later = shards.hear(&old, now + BELIEVED).unwrap();
        assert_eq!(masters(&later), [Some("aaa"), Some("bbb")]);
    }

    #[test]
    fn a_cluster_formed_anew_is_believed_at_once_though_its_epochs_are_low() {
        let (mut shards, now) = (Shards::default(), Instant::now());
        shards.hear(&format!("{A_SLAVE}{B2}{C7}"), now).unwrap();
        let map = shards.hear("ddd 127.0.0.1:7@8 master - 0 0 1 connected 0-16383", now).unwrap();
        assert_eq!(masters(&map), [Some("ddd"), Some("ddd")]);
    }

    #[test]
    fn slots_without_an_owner_have_no_master() {
        let mut shards = Shards::default();
        let map = shards.hear(&format!("{A1}{C1}"), Instant::now()).unwrap();
        assert_eq!(masters(&map), [Some("aaa"), None]);
    }

    #[test]
    fn nonsense_is_refused_by_its_line() {
        for line in ["aaa", "aaa x y z 0 0 one connected", "aaa a m - 0 0 1 connected 5-99999"] {
            let refused = Shards::default().hear(line, Instant::now()).unwrap_err();
            assert!(refused.to_string().contains(line), "{refused}");
        }
    }
}
