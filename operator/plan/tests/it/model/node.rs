//! A node and what it believes.

use std::collections::BTreeMap;

use operator_plan::{NodeId, Role, Slots};

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) view: BTreeMap<NodeId, Entry>,
    pub(super) forgotten: BTreeMap<NodeId, u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// `None` when another node answered there.
    pub(super) place: Option<usize>,
    pub(super) role: Role,
    pub(super) failing: bool,
    pub(super) epoch: u64,
    pub(super) slots: Slots,
}

impl Node {
    pub(super) fn me(&mut self) -> &mut Entry {
        self.view.get_mut(&self.id).unwrap()
    }

    pub(super) fn myself(&self) -> &Entry {
        &self.view[&self.id]
    }

    pub(super) fn highest(&self) -> u64 {
        self.view.values().map(|entry| entry.epoch).max().unwrap_or(0)
    }

    pub(super) fn learn(&mut self, id: &NodeId, place: usize) {
        let role = Role::Master;
        let entry =
            Entry { place: Some(place), role, failing: false, epoch: 0, slots: Slots::none() };
        self.view.entry(id.clone()).or_insert(entry);
    }

    /// Hears what a node says of itself, as Redis does in clusterProcessPacket.
    pub(super) fn hear(&mut self, id: &NodeId, said: &Entry) {
        if *id == self.id || !self.view.contains_key(id) {
            return;
        }
        let entry = self.view.get_mut(id).unwrap();
        (entry.place, entry.role, entry.failing) = (said.place, said.role.clone(), false);
        entry.epoch = said.epoch;
        if said.role != Role::Master {
            entry.slots = Slots::none();
            return;
        }
        let had = self.myself().slots.clone();
        let master = match &self.myself().role {
            Role::Replica(master) => self.view.get(master),
            _ => None,
        };
        let masters = master.map_or(Slots::none(), |master| master.slots.clone());
        let mut won = said.slots.clone();
        for (other, entry) in &mut self.view {
            if other == id {
                continue;
            }
            if entry.epoch < said.epoch {
                entry.slots = entry.slots.without(&said.slots);
            } else {
                won = won.without(&entry.slots);
            }
        }
        let entry = self.view.get_mut(id).unwrap();
        entry.slots = entry.slots.union(&won);
        let mine = self.myself().clone();
        let lost_all = !had.is_empty() && mine.slots.is_empty();
        // Of a master whose last slots this one took, its replicas follow this one.
        let left = match &mine.role {
            Role::Replica(master) => self.view.get(master).map(|master| master.slots.clone()),
            _ => None,
        };
        let took_last =
            left.is_some_and(|left| left.is_empty()) && !masters.intersection(&won).is_empty();
        if lost_all || took_last {
            self.me().role = Role::Replica(id.clone());
        } else if mine.role == Role::Master && mine.epoch == said.epoch && self.id < *id {
            let next = self.highest() + 1;
            self.me().epoch = next;
        }
    }

    pub(super) fn blacklists(&self, id: &NodeId, turn: u64) -> bool {
        self.forgotten.get(id).is_some_and(|until| turn < *until)
    }
}
