//! The commands, and their refusals.

use operator_plan::{Command, NodeId, Role, Slots};

use super::{World, ip};

/// How many turns a forgotten node stays forgotten, whatever gossip says.
const BLACKLISTED: u64 = 40;

impl World {
    /// Sends a command to a member; a refusal is what Redis would say.
    pub(crate) fn execute(&mut self, command: &Command) -> Result<(), String> {
        let at = (0..self.len()).find(|place| Self::name(*place) == command.at).unwrap();
        if self.awake(at).is_none() || self.places[at].hidden {
            return Err("no answer".to_owned());
        }
        let words: Vec<_> = command.words.iter().map(String::as_str).collect();
        match words[..] {
            ["CLUSTER", "MEET", other, _, _] => {
                let other = (0..self.len()).find(|place| ip(*place) == other).unwrap();
                self.introduce(at, other);
                Ok(())
            }
            ["CLUSTER", "FORGET", id] => self.forget(at, &NodeId(id.to_owned())),
            ["CLUSTER", "ADDSLOTSRANGE", ..] => self.add_slots(at, &words[2..]),
            ["CLUSTER", "REPLICATE", id] => self.replicate(at, &NodeId(id.to_owned())),
            ["CLUSTER", "FAILOVER", "TAKEOVER"] => self.take_over(at),
            _ => Err(format!("unknown command {words:?}")),
        }
    }

    fn forget(&mut self, at: usize, id: &NodeId) -> Result<(), String> {
        let until = self.turn + BLACKLISTED;
        let node = self.places[at].node.as_mut().unwrap();
        if node.id == *id {
            return Err("I tried hard but I can't forget myself...".to_owned());
        }
        if node.myself().role == Role::Replica(id.clone()) {
            return Err("Can't forget my master!".to_owned());
        }
        node.view.remove(id).ok_or_else(|| format!("Unknown node {id}"))?;
        node.forgotten.insert(id.clone(), until);
        Ok(())
    }

    fn add_slots(&mut self, at: usize, words: &[&str]) -> Result<(), String> {
        let mut slots = Slots::none();
        for range in words.chunks(2) {
            slots.add(range[0].parse().unwrap()..=range[1].parse().unwrap());
        }
        let node = self.places[at].node.as_mut().unwrap();
        let busy: Slots = node.view.values().map(|entry| &entry.slots).collect();
        if !busy.intersection(&slots).is_empty() {
            return Err("Slot is already busy".to_owned());
        }
        node.me().slots = node.myself().slots.union(&slots);
        Ok(())
    }

    fn replicate(&mut self, at: usize, id: &NodeId) -> Result<(), String> {
        let node = self.places[at].node.as_mut().unwrap();
        let master = node.view.get(id).ok_or_else(|| format!("Unknown node {id}"))?;
        if master.role != Role::Master || *id == node.id {
            return Err("I can only replicate a master".to_owned());
        }
        if !node.myself().slots.is_empty() {
            return Err("To set a master the node must be empty".to_owned());
        }
        node.me().role = Role::Replica(id.clone());
        Ok(())
    }

    pub(super) fn take_over(&mut self, at: usize) -> Result<(), String> {
        let node = self.places[at].node.as_mut().unwrap();
        let Role::Replica(master) = node.myself().role.clone() else {
            return Err("You should send CLUSTER FAILOVER to a replica".to_owned());
        };
        let epoch = node.highest() + 1;
        let entry = node.view.get_mut(&master).ok_or("Master is unknown")?;
        let slots = std::mem::replace(&mut entry.slots, Slots::none());
        let me = node.me();
        (me.role, me.epoch, me.slots) = (Role::Master, epoch, slots);
        self.superseded.insert(master);
        Ok(())
    }
}
