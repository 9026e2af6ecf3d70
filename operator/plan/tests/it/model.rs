//! A small Redis Cluster: nodes with views of their own, which talk when they are told to.
//!
//! What it has of the real one: introductions, gossip of who there is, claims on slots that the higher
//! epoch wins, epochs that collide, masters that lose all slots and follow, nodes displaced by strangers
//! at their address, forgetting with a blacklist, and the refusals of commands.

use std::collections::{BTreeMap, BTreeSet};

use operator_plan::{
    Command, Known, Member, NodeId, Picture, Place, Role, Seen, Slots, Step, View,
};

/// How many turns a forgotten node stays forgotten, whatever gossip says.
const BLACKLISTED: u64 = 40;

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

#[derive(Debug, Clone)]
struct Node {
    id: NodeId,
    view: BTreeMap<NodeId, Entry>,
    forgotten: BTreeMap<NodeId, u64>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// `None` when another node answered there.
    place: Option<usize>,
    role: Role,
    failing: bool,
    epoch: u64,
    slots: Slots,
}

impl Node {
    fn me(&mut self) -> &mut Entry {
        self.view.get_mut(&self.id).unwrap()
    }

    fn myself(&self) -> &Entry {
        &self.view[&self.id]
    }

    fn highest(&self) -> u64 {
        self.view.values().map(|entry| entry.epoch).max().unwrap_or(0)
    }

    fn learn(&mut self, id: &NodeId, place: usize) {
        let role = Role::Master;
        let entry =
            Entry { place: Some(place), role, failing: false, epoch: 0, slots: Slots::none() };
        self.view.entry(id.clone()).or_insert(entry);
    }

    /// Hears what a node says of itself, as Redis does in clusterProcessPacket.
    fn hear(&mut self, id: &NodeId, said: &Entry) {
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

    fn blacklists(&self, id: &NodeId, turn: u64) -> bool {
        self.forgotten.get(id).is_some_and(|until| turn < *until)
    }
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
        let Some(node) = self.awake(place) else { return };
        let Role::Replica(master) = node.myself().role.clone() else { return };
        let Some(entry) = node.view.get(&master) else { return };
        let masters = |node: &Node| {
            let with_slots = node.view.values().filter(|entry| !entry.slots.is_empty());
            with_slots.map(|entry| entry.failing || entry.place.is_none()).collect::<Vec<_>>()
        };
        let masters = masters(node);
        let voters = masters.iter().filter(|down| !**down).count();
        if entry.failing && entry.place.is_some() && voters * 2 > masters.len() {
            self.take_over(place).unwrap();
        }
    }

    // How they talk.

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
    fn introduce(&mut self, at: usize, other: usize) {
        let (Some(here), Some(there)) = (self.awake(at).cloned(), self.awake(other).cloned())
        else {
            return;
        };
        if at != other {
            self.places[at].node.as_mut().unwrap().learn(&there.id, other);
            self.places[other].node.as_mut().unwrap().learn(&here.id, at);
        }
    }

    fn awake(&self, place: usize) -> Option<&Node> {
        self.places[place].node.as_ref().filter(|_| !self.places[place].frozen)
    }

    // What the operator sees and does.

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

    fn take_over(&mut self, at: usize) -> Result<(), String> {
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

    // The truth, which nobody in there knows.

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
            Step::TakeOver { from, .. } if runs(from) => Some(format!("{step}, but it runs")),
            Step::Wait(operator_plan::Awaited::Safety(_)) => Some(step.to_string()),
            _ => None,
        }
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

fn ip(place: usize) -> String {
    format!("10.0.0.{place}")
}

fn view(node: &Node) -> View {
    let known = |(id, entry): (&NodeId, &Entry)| Known {
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
    View { me: node.id.clone(), ok: true, known: node.view.iter().map(known).collect() }
}
