//! How faults begin and end.

use std::collections::BTreeSet;

use super::{Fault, Kind};
use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    network::Node,
    storage::Replica,
    trace::trace,
    world::World,
};

/// How long syncs take when nothing is wrong.
const SYNC: Time = 4 * MS;

/// How long a machine takes to boot.
const BOOT: Time = 2 * S;

impl World {
    /// Everything that the seed has planned: faults, sends, bursts.
    pub(crate) fn plan_faults(&mut self) {
        for fault in self.shape.faults.clone() {
            let at = fault.at;
            self.at(at, move |world| world.begin(&fault));
        }
        for _ in 0..self.shape.sends {
            let at = self.chance.between(3 * S, self.shape.trouble);
            let device = self.chance.index(self.clients.len());
            let to = self.somebody(device);
            self.at(at, move |world| _ = world.write_message(device, to));
        }
        for _ in 0..4 {
            let at = self.chance.between(10 * S, self.shape.trouble);
            let device = self.chance.index(self.clients.len());
            self.at(at, move |world| world.write_forged(device));
        }
        for _ in 0..self.shape.bursts {
            let at = self.chance.between(5 * S, self.shape.trouble - 10 * S);
            let device = self.chance.index(self.clients.len());
            self.at(at, move |world| world.burst(device));
        }
    }

    /// People mostly write to the same few.
    fn somebody(&mut self, device: usize) -> usize {
        let (user, users) = (self.clients[device].user, self.shape.users.len());
        match self.chance.between(0, 9) {
            0 => self.chance.index(users),
            1 => user,
            2 | 3 => (user + 2) % users,
            _ => (user + 1) % users,
        }
    }

    /// One device writes a lot to a user, one of whose devices reads late.
    fn burst(&mut self, device: usize) {
        let to = (self.clients[device].user + 1) % self.shape.users.len();
        let readers = self.clients.iter().position(|client| client.user == to);
        let prompt = self.shape.mood.within().is_some();
        let count = match readers {
            Some(reader) if prompt && self.chance.one_in(2) => self.read_once(reader),
            Some(reader) => {
                hit("session: slow window");
                let until = self.now + self.chance.between(5 * S, 25 * S);
                self.read_late(reader, until);
                self.chance.between(150, 600)
            }
            None => self.chance.between(150, 600),
        };
        for n in 0..count {
            let at = self.now + n * 10 * MS;
            self.at(at, move |world| _ = world.write_message(device, to));
        }
    }

    /// A device reads once while much is written to it; how much. A window of pushes is acknowledged then, and
    /// what waits fills it again, with less than a page to spare: it is full at the end of the inbox. The live
    /// pushes that are kept wait behind that, so what comes now overflows their buffer, and no page has it.
    fn read_once(&mut self, reader: usize) -> u64 {
        hit("client: reads once");
        let once = self.now + self.chance.between(5_000 * MS, 5_200 * MS);
        let again = once + self.chance.between(2 * S, 15 * S);
        self.read_late(reader, once);
        // Before anything comes for which the acks make room.
        self.at(once + 5 * MS, move |world| world.read_late(reader, again));
        650
    }

    /// Two devices write some messages to one user each, while something is wrong.
    fn volleys(&mut self, lasts: Time) {
        for _ in 0..2 {
            let device = self.chance.index(self.clients.len());
            let to = self.chance.index(self.shape.users.len());
            let from = self.now + self.chance.between(0, lasts);
            for n in 0..8 {
                let wait = n * self.chance.between(0, 60 * MS);
                self.at(from + wait, move |world| _ = world.write_message(device, to));
            }
        }
    }

    /// A device comes back at `back`, and around then another one writes to its user.
    fn come_back(&mut self, device: usize, by: usize, restarts: bool, back: Time) {
        if restarts {
            let again = back + self.chance.between(20 * MS, 150 * MS);
            self.at(back, move |world| world.restart_client(device));
            self.at(again, move |world| world.restart_client(device));
        } else {
            self.client_offline(device, true);
        }
        let to = self.clients[device].user;
        for n in 0..12 {
            let at = (back + n * 250 * MS).saturating_sub(S).max(self.now);
            self.at(at, move |world| _ = world.write_message(by, to));
        }
    }

    fn begin(&mut self, fault: &Fault) {
        hit(fault.kind.name());
        trace!(self, "FAULT", "{fault}");
        let number = fault.number;
        if fault.kind.is_of_storage() {
            self.volleys(fault.lasts);
        }
        match fault.kind.clone() {
            Kind::Crash { node: Node::Gateway(at), machine } => {
                if !self.processes.is_up(Node::Gateway(at)) {
                    return;
                }
                self.crash_gateway(at, machine);
            }
            Kind::Crash { node: Node::Pod(_) | Node::Replica(_), .. }
                if self.shape.replicas == 1 =>
            {
                self.crash_pod(0);
                self.crash_replica(0);
            }
            Kind::Crash { node: Node::Pod(at), .. } => self.crash_pod(at),
            Kind::Crash { node: Node::Replica(at), .. } => self.crash_replica(at),
            Kind::Crash { .. } => return,
            Kind::PowerCut => {
                for pod in 0..self.shape.pods {
                    self.crash_pod(pod);
                }
                for replica in 0..self.shape.replicas {
                    self.crash_replica(replica);
                }
            }
            Kind::Pause(node) => self.processes.pause(node),
            Kind::Partition { side, one_way } => self.partition(number, &side, one_way),
            Kind::Slow(node, factor) => self.network.slow_down(number, node, factor),
            Kind::Cut(device) => self.of_link(device, |world, stream| world.break_stream(stream)),
            Kind::HalfOpen(device, both) => self.of_link(device, move |world, stream| {
                if let Some(stream) = world.network.streams.get_mut(&stream) {
                    // What was lost once is followed by nothing.
                    stream.deaf = [true, both || stream.deaf[1]];
                }
            }),
            Kind::DeafLinks => self.deafen_links(),
            Kind::Clock(gateway, ahead) => self.gateways[gateway].clock.ahead = ahead,
            Kind::Boot(gateway, ahead) => {
                self.gateways[gateway].clock.ahead = ahead;
                if self.processes.is_up(Node::Gateway(gateway)) {
                    self.crash_gateway(gateway, true);
                }
                self.at(self.now + BOOT, move |world| world.revive_gateway(gateway));
            }
            Kind::Drain(gateway) => {
                let up = self.processes.is_up(Node::Gateway(gateway));
                if up && !self.gateways[gateway].draining {
                    self.drain_gateway(gateway);
                }
            }
            Kind::FailOver(behind) => self.directory.fail_over(behind),
            Kind::LoseManager => self.directory.manager.lose_everything(),
            Kind::ManagerAway => self.manager_away(true),
            Kind::ManagerLate(most) => self.directory.late = most,
            Kind::SlowDisk(replica, most) => self.replicas[replica].sync = most,
            Kind::FullDisk(replica) => self.replicas[replica].failing = true,
            Kind::EmptyDisk(replica) => self.empty_replica(replica),
            Kind::Busy(replica) => self.replicas[replica].busy = true,
            Kind::FullQueues(gateway) => self.gateways[gateway].full = true,
            Kind::Awaited { device, by, restarts } => {
                self.come_back(device, by, restarts, self.now + fault.lasts);
            }
            Kind::Offline(device, politely) => self.client_offline(device, politely),
            Kind::Restart(device) => self.restart_client(device),
            Kind::ReadsLate(device) => self.read_late(device, self.now + fault.lasts),
            Kind::Remove { device, lost } => {
                if lost {
                    self.lose_device(device);
                }
                self.remove_device(device);
            }
            Kind::Revoke { device, all, restarts } => {
                if restarts {
                    self.restart_client(device);
                }
                let wait = if restarts { self.chance.between(0, S) } else { 0 };
                self.at(self.now + wait, move |world| world.revoke_tokens(device, all));
            }
        }
        let (kind, end) = (fault.kind.clone(), self.now + fault.lasts);
        self.at(end, move |world| world.end(number, &kind));
    }

    fn end(&mut self, number: u64, kind: &Kind) {
        trace!(self, "FAULT", "#{number} ends");
        match *kind {
            Kind::Crash { node: Node::Gateway(at), .. } | Kind::Drain(at) => {
                self.revive_gateway(at)
            }
            Kind::Crash { .. } | Kind::PowerCut | Kind::EmptyDisk(_) => self.revive_storage(),
            Kind::Pause(node) => self.resume(node),
            Kind::Partition { .. } | Kind::Slow(..) => {
                self.network.mend(number);
                self.release_held();
            }
            Kind::Clock(gateway, _) | Kind::Boot(gateway, _) => {
                self.gateways[gateway].clock.ahead = 0
            }
            Kind::ManagerAway => self.manager_away(false),
            Kind::ManagerLate(_) => self.directory.late = 0,
            Kind::SlowDisk(replica, _) => self.replicas[replica].sync = SYNC,
            Kind::FullDisk(replica) => self.replicas[replica].failing = false,
            Kind::Busy(replica) => self.replicas[replica].busy = false,
            Kind::FullQueues(gateway) => self.gateways[gateway].full = false,
            Kind::Offline(device, _) | Kind::Awaited { device, .. } => self.client_online(device),
            _ => {}
        }
    }

    /// Everything ends that is wrong.
    pub(crate) fn heal(&mut self) {
        trace!(self, "FAULT", "all is healed");
        for fault in self.shape.faults.clone() {
            self.end(fault.number, &fault.kind);
        }
        for gateway in 0..self.shape.gateways {
            self.revive_gateway(gateway);
        }
        self.revive_storage();
        for device in 0..self.clients.len() {
            self.client_online(device);
        }
    }

    fn crash_replica(&mut self, at: usize) {
        trace!(self, Node::Replica(at), "dies");
        self.processes.stop(Node::Replica(at));
        self.replicas[at].crash();
    }

    /// What is acknowledged is on two of three: one at a time may lose it, until the others have filled it.
    fn empty_replica(&mut self, at: usize) {
        if !self.replicas.iter().all(Replica::votes) {
            return;
        }
        hit("replica: emptied");
        self.crash_replica(at);
        self.replicas[at].empty();
        self.note_emptied(at);
    }

    fn revive_storage(&mut self) {
        for replica in 0..self.shape.replicas {
            if !self.processes.is_up(Node::Replica(replica)) {
                self.processes.start(Node::Replica(replica));
            }
        }
        for pod in 0..self.shape.pods {
            if !self.processes.is_up(Node::Pod(pod)) {
                self.start_pod(pod);
            }
        }
    }

    pub(crate) fn revive_gateway(&mut self, at: usize) {
        if !self.processes.is_up(Node::Gateway(at)) {
            self.start_gateway(at);
        }
    }

    fn partition(&mut self, number: u64, side: &[Node], one_way: bool) {
        let devices = (0..self.clients.len()).map(Node::Device);
        let all = (0..self.shape.gateways)
            .map(Node::Gateway)
            .chain((0..self.shape.pods).map(Node::Pod))
            .chain((0..self.shape.replicas).map(Node::Replica))
            .chain([Node::Manager])
            .chain(devices);
        let others: Vec<Node> = all.filter(|node| !side.contains(node)).collect();
        let mut ways = BTreeSet::new();
        for one in side {
            for other in &others {
                // A pod and its single replica are one process.
                let same = matches!(
                    (one, other),
                    (Node::Pod(_), Node::Replica(_)) | (Node::Replica(_), Node::Pod(_))
                );
                if same && self.shape.replicas == 1 {
                    continue;
                }
                ways.insert((*one, *other));
                if !one_way {
                    ways.insert((*other, *one));
                }
            }
        }
        self.network.cut(number, ways);
    }

    fn of_link(&mut self, device: usize, what: impl FnOnce(&mut Self, u64)) {
        if let Some(link) = &self.clients[device].link {
            let stream = link.stream;
            what(self, stream);
        }
    }

    fn deafen_links(&mut self) {
        for stream in self.network.streams.values_mut() {
            if let [Node::Gateway(_), Node::Gateway(_)] = stream.ends {
                stream.deaf = [true, true];
            }
        }
    }
}
