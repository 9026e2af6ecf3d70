//! What people are told of a picture. Pure.

use std::collections::BTreeSet;

use operator_plan::{Picture, Role, SLOTS, Slots};

/// How much of the Redis Cluster serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Shards with a master that answers and has slots.
    pub shards: usize,
    /// Slots of masters that answer; all 16384 when nothing is missing.
    pub slots: usize,
    /// The nodes that do not answer, by name.
    pub silent: Vec<String>,
}

impl Summary {
    /// What a picture shows.
    pub fn of(picture: &Picture) -> Self {
        let mut shards = BTreeSet::new();
        let mut slots = Slots::none();
        let mut silent = Vec::new();
        for member in &picture.members {
            let Some(myself) = member.view().and_then(|view| view.myself()) else {
                silent.push(member.name.clone());
                continue;
            };
            if myself.role == Role::Master && !myself.slots.is_empty() {
                shards.insert(member.shard);
                slots = slots.union(&myself.slots);
            }
        }
        Self { shards: shards.len(), slots: slots.len(), silent }
    }

    /// Whether every slot is served.
    pub fn is_whole(&self) -> bool {
        self.slots == usize::from(SLOTS)
    }
}
