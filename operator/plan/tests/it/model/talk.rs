//! How nodes talk: pings, gossip, introductions.

use operator_plan::NodeId;

use super::{World, node::Node};

impl World {
    /// One node pings another that it knows, and both hear each other.
    pub(crate) fn ping(&mut self, from: usize, to: usize) {
        self.turn += 1;
        let Some(sender) = self.awake(from).cloned() else { return };
        if from == to {
            return;
        }
        let expected = sender.view.iter().filter(|(_, entry)| entry.place == Some(to));
        for id in expected.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.ping_node(from, to, &id);
        }
    }

    fn ping_node(&mut self, from: usize, to: usize, id: &NodeId) {
        let receiver = self.awake(to).cloned();
        let sender = self.places[from].node.as_mut().unwrap();
        let Some(receiver) = receiver else {
            sender.view.get_mut(id).unwrap().failing = true;
            return;
        };
        if receiver.id != *id {
            sender.view.get_mut(id).unwrap().place = None;
            return;
        }
        sender.hear(id, receiver.myself());
        let sender = sender.clone();
        let receiver = self.places[to].node.as_mut().unwrap();
        if !receiver.view.contains_key(&sender.id) {
            return;
        }
        receiver.hear(&sender.id, sender.myself());
        // Whoever claims what has a newer owner is told who that is.
        for (id, entry) in receiver.view.clone() {
            let outdated = !entry.slots.intersection(&sender.myself().slots).is_empty()
                && entry.epoch > sender.myself().epoch;
            if outdated {
                self.places[from].node.as_mut().unwrap().hear(&id, &entry);
            }
        }
        let known: Vec<_> =
            sender.view.iter().filter_map(|(id, e)| Some((id.clone(), e.place?))).collect();
        for (id, place) in known {
            let receiver = self.places[to].node.as_ref().unwrap();
            if !receiver.view.contains_key(&id) && !receiver.blacklists(&id, self.turn) {
                self.introduce(to, place);
            }
        }
    }

    /// Whoever answers at the place becomes known, whatever its id.
    pub(super) fn introduce(&mut self, at: usize, other: usize) {
        let (Some(here), Some(there)) = (self.awake(at).cloned(), self.awake(other).cloned())
        else {
            return;
        };
        if at != other {
            self.places[at].node.as_mut().unwrap().learn(&there.id, other);
            self.places[other].node.as_mut().unwrap().learn(&here.id, at);
        }
    }

    pub(super) fn awake(&self, place: usize) -> Option<&Node> {
        self.places[place].node.as_ref().filter(|_| !self.places[place].frozen)
    }
}
