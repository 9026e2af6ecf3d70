//! The truth, which nobody in the model knows.

use operator_plan::{NoVote, NodeId, Role, Step};

use super::{Site, World};

impl World {
    /// What is wrong with a step, knowing who really runs; frozen and hidden nodes do.
    pub(crate) fn harm(&self, step: &Step) -> Option<String> {
        let running = self.places.iter().filter_map(|site| site.node.as_ref());
        let runs = |id: &NodeId| running.clone().any(|node| node.id == *id);
        match step {
            Step::AddSlots { slots, .. } => {
                let mut owners = running.filter(|node| !self.superseded.contains(&node.id));
                let owner =
                    owners.find(|node| !node.myself().slots.intersection(slots).is_empty())?;
                Some(format!("{step}, but {} has some of them", owner.id))
            }
            Step::Forget { node, .. } if runs(node) => Some(format!("{step}, but it runs")),
            Step::TakeOver { from, because: NoVote::Gone, .. } if runs(from) => {
                Some(format!("{step}, but it runs"))
            }
            Step::Wait(operator_plan::Awaited::Safety(_)) => Some(step.to_string()),
            _ => None,
        }
    }

    /// Why a step without a vote comes too early, if it does: the master could have been asked, or one of
    /// its replicas elected.
    pub(crate) fn premature(&self, step: &Step) -> Option<String> {
        let Step::TakeOver { from, because: NoVote::MajorityLost, .. } = step else { return None };
        let mut seen = (0..self.len()).filter(|place| !self.places[*place].hidden);
        seen.find_map(|place| {
            let node = self.awake(place)?;
            let follows = node.myself().role == Role::Replica(from.clone());
            let why = match (node.id == *from, follows && self.can_win(place)) {
                (true, _) => "it answers",
                (_, true) => "a replica can be elected",
                _ => return None,
            };
            Some(format!("{step}, but {why}"))
        })
    }

    /// What the cluster lacks, if anything: each slot has one owner in everybody's eyes, each shard one
    /// master that all others of the shard follow.
    pub(crate) fn lacks(&self) -> Option<String> {
        let nodes: Vec<_> = self.places.iter().filter_map(|site| site.node.as_ref()).collect();
        if nodes.len() != self.len() {
            return Some("a node does not run".to_owned());
        }
        for node in &nodes {
            let known: Vec<_> = node.view.keys().collect();
            let mut ids: Vec<_> = nodes.iter().map(|node| &node.id).collect();
            ids.sort();
            if known != ids {
                return Some(format!("{} knows {known:?}", node.id));
            }
            for other in &nodes {
                if node.view[&other.id].slots != other.myself().slots {
                    return Some(format!("{} errs about the slots of {}", node.id, other.id));
                }
            }
            if node.view.values().map(|entry| entry.slots.len()).sum::<usize>() != 16384 {
                return Some(format!("{} does not see every slot once", node.id));
            }
        }
        for (site, node) in self.places.iter().zip(&nodes) {
            let of_shard = |place: &&Site| place.shard == site.shard;
            let masters = self.places.iter().filter(of_shard).filter_map(|s| s.node.as_ref());
            let masters: Vec<_> = masters.filter(|n| n.myself().role == Role::Master).collect();
            let [master] = masters[..] else {
                return Some(format!("shard {} masters", site.shard));
            };
            let follows = node.myself().role == Role::Replica(master.id.clone());
            if node.id != master.id && !follows {
                return Some(format!("{} does not follow {}", node.id, master.id));
            }
        }
        None
    }
}
