//! The WebSocket manager: the product's home in memory, behind calls that can be lost, late or repeated,
//! with masters that fail over to a copy that missed the last writes.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use chatcluster_manager::{ManagerError, MemoryManager, Snapshot};
use futures_util::FutureExt;
use gateway_core::Away;

use crate::{
    clock::{MS, S, START, Time},
    coverage::hit,
    faults::Kind,
    network::Node,
    trace::trace,
    world::World,
};

/// How long a gateway waits for an answer: `MANAGER_WITHIN` of its hub.
const WITHIN: Time = 3 * S;

/// How often the copy follows the master, and how many copies are remembered.
const COPY_EVERY: Time = 200 * MS;
const COPIES: usize = 50;

/// The manager, and what is wrong with it.
pub(crate) struct Directory {
    pub(crate) manager: MemoryManager,
    clock: Arc<AtomicU64>,
    copies: VecDeque<Snapshot>,
    /// Some calls, and some answers, take up to this long.
    pub(crate) late: Time,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let read = clock.clone();
        let manager = MemoryManager::new(move || read.load(Relaxed));
        Self { manager, clock, copies: VecDeque::new(), late: 0 }
    }

    /// A copy takes over that missed the writes of the last while.
    pub(crate) fn fail_over(&mut self, behind: Time) {
        let back = (behind / COPY_EVERY) as usize;
        let at = self.copies.len().saturating_sub(1 + back);
        if let Some(copy) = self.copies.get(at) {
            self.manager.fail_over(copy.clone());
        }
        self.copies.clear();
    }
}

type Answer<T> = Rc<RefCell<Option<Box<dyn FnOnce(&mut World, Result<T, Away>)>>>>;

impl World {
    /// The manager is copied from time to time, while something can go wrong with it; nobody needs the copies
    /// of one that will not fail over.
    pub(crate) fn plan_manager_copies(&mut self) {
        if self.now > self.shape.trouble {
            return;
        }
        let mut faults = self.shape.faults.iter().filter(|fault| fault.at >= self.now);
        if faults.any(|fault| matches!(fault.kind, Kind::FailOver(_))) {
            self.directory.copies.push_back(self.directory.manager.snapshot());
        }
        if self.directory.copies.len() > COPIES {
            self.directory.copies.pop_front();
        }
        self.at(self.now + COPY_EVERY, Self::plan_manager_copies);
    }

    /// A gateway asks the manager something. There is exactly one answer, [`Away`] at the latest after
    /// the gateway's deadline; the call itself may take effect later than that.
    pub(crate) fn ask_manager<T: 'static>(
        &mut self,
        gateway: usize,
        ask: impl AsyncFn(MemoryManager) -> Result<T, ManagerError> + 'static,
        answer: impl FnOnce(&mut World, Result<T, Away>) + 'static,
    ) {
        let (asker, life) = (Node::Gateway(gateway), self.processes.life(Node::Gateway(gateway)));
        let answer: Answer<T> = Rc::new(RefCell::new(Some(Box::new(answer))));
        let late = answer.clone();
        self.later_in(asker, life, WITHIN, move |world| tell(world, &late, Err(Away)));
        if !self.network.reaches(asker, Node::Manager) {
            hit("manager: call lost");
            return;
        }
        let mut delay = self.network.delay(asker, Node::Manager);
        let mut behind = 0;
        if self.directory.late > 0 && self.chance.one_in(3) {
            let late = self.chance.between(0, self.directory.late);
            if self.chance.one_in(2) {
                hit("manager: late answer");
                behind = late;
            } else {
                hit("manager: late call");
                delay += late;
            }
        }
        let twice = self.chance.one_in(50);
        self.later(Node::Manager, delay, move |world| {
            world.directory.clock.store(START + world.now / MS, Relaxed);
            let manager = world.directory.manager.clone();
            // The home in memory answers at once.
            let run = || ask(manager.clone()).now_or_never();
            let mut found = run();
            if twice {
                hit("manager: same call twice");
                found = run();
            }
            let Some(found) = found else { return };
            if !world.network.reaches(Node::Manager, asker) {
                hit("manager: call lost");
                return;
            }
            let delay = world.network.delay(Node::Manager, asker) + behind;
            world.later_in(asker, life, delay, move |world| {
                tell(world, &answer, found.map_err(|_| Away));
            });
        });
    }

    /// The manager as it is now, for checks.
    pub(crate) fn manager_now(&self) -> MemoryManager {
        self.directory.clock.store(START + self.now / MS, Relaxed);
        self.directory.manager.clone()
    }

    pub(crate) fn manager_away(&mut self, away: bool) {
        trace!(self, "manager", "away: {away}");
        self.directory.manager.set_away(away);
    }
}

fn tell<T>(world: &mut World, answer: &Answer<T>, found: Result<T, Away>) {
    let answer = answer.borrow_mut().take();
    if let Some(answer) = answer {
        answer(world, found);
    }
}
