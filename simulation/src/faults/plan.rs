//! The faults of a seed. Each seed leaves out some kinds altogether: what hides behind one kind of fault
//! is found where that one is missing.

use super::{Fault, Kind};
use crate::{
    chance::Chance,
    clock::{MS, S, Time},
    network::Node,
    shape::{Mood, Shape},
};

/// Nothing goes wrong before this.
const FROM: Time = 4 * S;

/// How many kinds there are to draw from.
const KINDS: u64 = 26;

/// Those of storage, of the ways to it, and of who calls it; what a backend does meets them half done.
const TORN: &[u64] = &[2, 3, 3, 5, 7, 7, 8, 9, 11, 20, 20, 20, 24, 25];

/// Those of clients, backends, gateways and the manager, in the proportion in which they are drawn.
const FAIR: &[u64] = &[0, 11, 15, 16, 17, 18, 19, 22, 22, 22, 24, 25, LONG_OUTAGE];
const LONG_OUTAGE: u64 = KINDS + 1;

/// Those of clients and backends, and of a manager that is slow and answers in time.
const GENTLE: &[u64] = &[11, 22, 22, 22, 24, 25, SLOW_MANAGER];
const SLOW_MANAGER: u64 = KINDS;

/// The faults, by time.
pub(crate) fn plan(shape: &Shape, chance: &mut Chance) -> Vec<Fault> {
    let count = chance.between(10, 40);
    let mut allowed: Vec<u64> = (0..KINDS).filter(|_| !chance.one_in(3)).collect();
    match shape.mood {
        Mood::Rough => {}
        Mood::Torn => allowed = TORN.to_vec(),
        Mood::Fair => allowed = FAIR.to_vec(),
        Mood::Gentle => allowed = GENTLE.to_vec(),
    }
    let mut faults: Vec<Fault> = (0..count)
        .map(|number| {
            let at = chance.between(FROM, shape.trouble - 2 * S);
            let drawn = if allowed.is_empty() { 0 } else { *chance.pick(&allowed) };
            let (kind, lasts) = kind(drawn, shape, chance);
            // All ends when the trouble does.
            Fault { number, at, lasts: lasts.min(shape.trouble - at), kind }
        })
        .collect();
    faults.extend(emptied(shape, count));
    faults.extend(long_absence(shape, faults.len() as u64));
    faults.sort_by_key(|fault| (fault.at, fault.number));
    faults
}

/// Disks that are emptied, where there are replicas to fill them: the others are numbered below `from`.
fn emptied(shape: &Shape, from: u64) -> Vec<Fault> {
    let mut chance = Chance::new(shape.seed, 41);
    if shape.replicas == 1 || shape.mood.within().is_some() || chance.one_in(2) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for number in (from..from + 6).step_by(2) {
        let replica = chance.index(shape.replicas);
        let at = chance.between(FROM, shape.trouble - 2 * S);
        let lasts = chance.between(100 * MS, 12 * S).min(shape.trouble - at);
        faults.push(Fault { number, at, lasts, kind: Kind::EmptyDisk(replica) });
        // And something more while it is filled.
        let at = (at + lasts + chance.between(S, 5 * S)).min(shape.trouble - S);
        let lasts = chance.between(100 * MS, 2 * S).min(shape.trouble - at);
        let kind = if chance.one_in(2) { Kind::FullDisk(replica) } else { Kind::Busy(replica) };
        faults.push(Fault { number: number + 1, at, lasts, kind });
    }
    faults
}

/// A replica that is away for longer than tombstones last, where a world does.
fn long_absence(shape: &Shape, number: u64) -> Option<Fault> {
    let mut chance = Chance::new(shape.seed, 42);
    let lasts = chance.between(200 * S, 260 * S);
    let fits = shape.trouble > lasts + 60 * S && shape.mood.within().is_none();
    if shape.replicas == 1 || !fits || chance.one_in(3) {
        return None;
    }
    let side = vec![Node::Replica(chance.index(shape.replicas))];
    let at = chance.between(FROM, shape.trouble - lasts - 30 * S);
    Some(Fault { number, at, lasts, kind: Kind::Partition { side, one_way: false } })
}

fn kind(drawn: u64, shape: &Shape, chance: &mut Chance) -> (Kind, Time) {
    let gateway = chance.index(shape.gateways);
    let replica = chance.index(shape.replicas);
    let pod = chance.index(shape.pods);
    let device = chance.index(shape.devices());
    let short = chance.between(100 * MS, 3 * S);
    let middle = chance.between(S, 12 * S);
    let long = chance.between(5 * S, 40 * S);
    let coin = chance.one_in(2);
    match drawn {
        0 | 1 => (Kind::Crash { node: Node::Gateway(gateway), machine: coin }, middle),
        2 => (Kind::Crash { node: Node::Pod(pod), machine: coin }, middle),
        3 => (Kind::Crash { node: Node::Replica(replica), machine: coin }, middle),
        4 => (Kind::PowerCut, short),
        5 => (Kind::Pause(Node::Gateway(gateway)), if coin { middle } else { long }),
        6 => (Kind::Pause(Node::Device(device)), long),
        7 => {
            let node = if coin { Node::Pod(pod) } else { Node::Replica(replica) };
            (Kind::Pause(node), if chance.one_in(4) { 70 * S } else { middle })
        }
        8 | 9 => {
            let one_way = drawn == 9;
            (
                Kind::Partition { side: side(shape, chance), one_way },
                if coin { middle } else { long },
            )
        }
        10 => {
            let node = *chance.pick(&[
                Node::Gateway(gateway),
                Node::Device(device),
                Node::Replica(replica),
                Node::Pod(pod),
            ]);
            (Kind::Slow(node, chance.between(5, 100)), middle)
        }
        11 => (Kind::Cut(device), 0),
        12 => (Kind::HalfOpen(device, coin), 0),
        13 => (Kind::DeafLinks, 0),
        14 => (wrong_clock(gateway, chance), long),
        15 => (Kind::Drain(gateway), 15 * S),
        16 => (Kind::FailOver(chance.between(0, 5 * S)), 0),
        17 => (Kind::LoseManager, 0),
        18 => (Kind::ManagerAway, if coin { short } else { long }),
        19 => (Kind::ManagerLate(chance.between(2 * S, 30 * S)), middle),
        20 => match chance.between(0, 2) {
            0 => (Kind::SlowDisk(replica, chance.between(50 * MS, 6 * S)), middle),
            1 => (Kind::FullDisk(replica), middle),
            _ => (Kind::Busy(replica), middle),
        },
        21 => (Kind::FullQueues(gateway), middle),
        22 => match chance.between(0, 3) {
            0 => (Kind::Restart(device), 0),
            1 => {
                let by = chance.index(shape.devices());
                (Kind::Awaited { device, by, restarts: coin }, middle)
            }
            _ => (Kind::Offline(device, coin), long),
        },
        24 => (Kind::Remove { device, lost: chance.one_in(4) }, 0),
        25 => (Kind::Revoke { device, all: coin, restarts: chance.one_in(2) }, 0),
        LONG_OUTAGE => (Kind::ManagerAway, chance.between(60 * S, 120 * S)),
        SLOW_MANAGER => (Kind::ManagerLate(chance.between(200 * MS, S)), long),
        _ => (Kind::ReadsLate(device), if coin { middle } else { long }),
    }
}

/// Most clocks are off by little. What is far behind is taken from a process that has just started alone,
/// since its ids never go back; and what is ahead of what a device has seen is followed by 30 s only.
fn wrong_clock(gateway: usize, chance: &mut Chance) -> Kind {
    let mut within = |from: u64, to: u64| chance.between(from, to) as i64;
    match within(0, 7) {
        0 => Kind::Clock(gateway, within(0, 200_000) - 100_000),
        1 | 2 => Kind::Clock(gateway, within(35_000, 55_000)),
        3 => Kind::Boot(gateway, -within(80_000, 130_000)),
        _ => Kind::Clock(gateway, within(0, 24_000) - 12_000),
    }
}

/// Some nodes of the data centre, seldom with the manager among them.
fn side(shape: &Shape, chance: &mut Chance) -> Vec<Node> {
    let gateways = (0..shape.gateways).map(Node::Gateway);
    let storage = (0..shape.replicas).map(Node::Replica);
    let all: Vec<Node> = gateways
        .chain(storage)
        .chain((0..shape.pods).map(Node::Pod))
        .chain([Node::Manager])
        .collect();
    let count = chance.between(1, 2);
    (0..count).map(|_| *chance.pick(&all)).collect()
}
