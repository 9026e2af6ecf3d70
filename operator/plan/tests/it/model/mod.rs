//! A small Redis Cluster: nodes with views of their own, which talk when they are told to.
//!
//! What it has of the real one: introductions, gossip of who there is, claims on slots that the higher
//! epoch wins, epochs that collide, masters that lose all slots and follow, nodes displaced by strangers
//! at their address, forgetting with a blacklist, and the refusals of commands.

mod commands;
mod node;
mod talk;
mod truth;

use std::collections::{BTreeMap, BTreeSet};

use node::Node;
use operator_plan::{Known, Member, NodeId, Picture, Place, Role, Seen, View};

#[derive(Debug, Default)]
pub(crate) struct World {
    places: Vec<Site>,
    strangers: u32,
    turn: u64,
    /// Masters whose slots a replica has taken: they do not count as owners, whatever they think.
    superseded: BTreeSet<NodeId>,
}

/// Where a member runs.
#[derive(Debug)]
struct Site {
    shard: usize,
    node: Option<Node>,
    /// It runs, and answers nobody.
    frozen: bool,
    /// It answers the others, and not the operator.
    hidden: bool,
    /// If it does not run, the operator knows.
    reaped: bool,
}

impl World {
    /// `shards` × `per_shard` empty nodes that run and know nobody.
    pub(crate) fn new(shards: usize, per_shard: usize) -> Self {
        let mut world = Self::default();
        for shard in 0..shards {
            for _ in 0..per_shard {
                world.places.push(Site {
                    shard,
                    node: None,
                    frozen: false,
                    hidden: false,
                    reaped: false,
                });
                world.start(world.places.len() - 1);
            }
        }
        world
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn name(place: usize) -> String {
        format!("redis-{place}")
    }

    // What happens to nodes.

    /// Starts a node where none runs; it is a stranger to all.
    pub(crate) fn start(&mut self, place: usize) {
        if self.places[place].node.is_some() {
            return;
        }
        self.strangers += 1;
        let id = NodeId(format!("{:040x}", self.strangers));
        let (view, forgotten) = (BTreeMap::new(), BTreeMap::new());
        let mut node = Node { id: id.clone(), view, forgotten };
        node.learn(&id, place);
        self.places[place].node = Some(node);
    }

    pub(crate) fn kill(&mut self, place: usize, reaped: bool) {
        (self.places[place].node, self.places[place].reaped) = (None, reaped);
    }

    pub(crate) fn freeze(&mut self, place: usize, frozen: bool) {
        self.places[place].frozen = frozen;
    }

    pub(crate) fn hide(&mut self, place: usize, hidden: bool) {
        self.places[place].hidden = hidden;
    }

    /// The node's own vote-won take-over, as far as the others would have allowed it.
    pub(crate) fn elect(&mut self, place: usize) {
        if self.can_win(place) {
            self.take_over(place).unwrap();
        }
    }

    /// Whether a replica would win the vote: its master has failed, and a majority of masters has not.
    pub(super) fn can_win(&self, place: usize) -> bool {
        let Some(node) = self.awake(place) else { return false };
        let Role::Replica(master) = &node.myself().role else { return false };
        let Some(entry) = node.view.get(master) else { return false };
        let masters: Vec<_> =
            node.view.iter().filter(|(_, entry)| !entry.slots.is_empty()).collect();
        let votes = |(id, entry): &&(&NodeId, &node::Entry)| {
            let there = entry.place.filter(|_| !entry.failing).and_then(|place| self.awake(place));
            there.is_some_and(|voter| voter.id == **id)
        };
        let votes = masters.iter().filter(votes).count();
        entry.failing && entry.place.is_some() && votes * 2 > masters.len()
    }

    pub(crate) fn picture(&self) -> Picture {
        let member = |(place, site): (usize, &Site)| Member {
            name: Self::name(place),
            shard: site.shard,
            place: Place { ip: ip(place), port: 6379, bus: 16379, hostname: None },
            seen: match (self.awake(place).filter(|_| !site.hidden), &site.node) {
                (Some(node), _) => Seen::Answers(view(node)),
                (None, None) if site.reaped => Seen::Absent,
                _ => Seen::Silent,
            },
        };
        Picture { members: self.places.iter().enumerate().map(member).collect() }
    }
}

fn ip(place: usize) -> String {
    format!("10.0.0.{place}")
}

fn view(node: &Node) -> View {
    let known = |(id, entry): (&NodeId, &node::Entry)| Known {
        id: id.clone(),
        ip: entry.place.map(ip).unwrap_or_default(),
        port: if entry.place.is_some() { 6379 } else { 0 },
        hostname: None,
        role: entry.role.clone(),
        failing: entry.failing,
        displaced: entry.place.is_none(),
        epoch: entry.epoch,
        slots: entry.slots.clone(),
    };
    View { me: node.id.clone(), ok: true, offset: 0, known: node.view.iter().map(known).collect() }
}
