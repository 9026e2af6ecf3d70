//! A pod of the message service: calls of gateways become futures of the repository.

use std::{cell::RefCell, future::Future, rc::Rc, sync::Arc};

use messages_core::repository::{Quorum, Repository};

use super::{RemoteReplica, Repo};
use crate::{
    clock::{S, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// How often a pod looks for pending fan-outs, and how long their own gateway has for them: `AFTER` of
/// the service.
const FAN_OUT: Time = 10 * S;

/// How often a pod looks for removals that were left half done, and how long whoever began one has for it:
/// `EVERY` and `AFTER` of the service.
const REMOVALS: Time = 10 * S;
const REMOVAL: Time = 60 * S;

/// A pod, if it runs.
#[derive(Default)]
pub(crate) struct Pod {
    pub(crate) repository: Option<Arc<Repo>>,
}

type Answer<T> = Rc<RefCell<Option<Box<dyn FnOnce(&mut World, Option<T>)>>>>;

impl World {
    /// A pod begins another life.
    pub(crate) fn start_pod(&mut self, pod: usize) {
        self.processes.start(Node::Pod(pod));
        let remote = |replica| RemoteReplica { pod, replica, wires: self.wires.clone() };
        let replicas: Vec<_> = (0..self.shape.replicas).map(remote).collect();
        self.pods[pod].repository = Some(Arc::new(Quorum::new(replicas)));
        self.finish_pending(pod);
        self.finish_removals(pod);
        self.attend(pod);
    }

    /// A pod dies, and with it all that it was doing.
    pub(crate) fn crash_pod(&mut self, pod: usize) {
        trace!(self, Node::Pod(pod), "dies");
        self.processes.stop(Node::Pod(pod));
        self.executor.kill(pod);
        self.pods[pod].repository = None;
    }

    fn finish_pending(&mut self, pod: usize) {
        let before = self.pod_wall(pod).saturating_sub(FAN_OUT / crate::clock::MS);
        let before = chatcluster_protocol::id::MessageId::floor(before);
        let call =
            move |repository: Arc<Repo>| async move { repository.finish_pending(before).await };
        self.run_on_pod(pod, call, move |world, found| {
            if let Ok(finished @ 1..) = found {
                hit("fan-out: finished by another");
                trace!(world, Node::Pod(pod), "finished {finished} pending fan-outs");
            }
            world.later(Node::Pod(pod), FAN_OUT, move |world| world.finish_pending(pod));
        });
    }

    fn finish_removals(&mut self, pod: usize) {
        let before = self.pod_wall(pod).saturating_sub(REMOVAL / crate::clock::MS);
        let call =
            move |repository: Arc<Repo>| async move { repository.finish_removals(before).await };
        self.run_on_pod(pod, call, move |world, found| {
            if let Ok(finished @ 1..) = found {
                hit("removal: finished by another");
                trace!(world, Node::Pod(pod), "finished {finished} removals");
            }
            world.later(Node::Pod(pod), REMOVALS, move |world| world.finish_removals(pod));
        });
    }

    /// The wall clock of a pod; that of a single replica is the same process's.
    pub(crate) fn pod_wall(&self, pod: usize) -> u64 {
        self.replicas[pod % self.replicas.len()].clock.wall(self.now)
    }

    /// Has a pod do something by itself; where it is down or dies before the end, nothing happens.
    pub(crate) fn run_on_pod<T: 'static, F: Future<Output = T> + 'static>(
        &mut self,
        pod: usize,
        call: impl FnOnce(Arc<Repo>) -> F,
        then: impl FnOnce(&mut World, T) + 'static,
    ) {
        let Some(repository) = self.pods[pod].repository.clone() else { return };
        let call = call(repository);
        let work = async move {
            let found = call.await;
            Box::new(move |world: &mut World| then(world, found)) as crate::queue::Happening
        };
        self.executor.spawn(pod, Box::pin(work));
    }

    /// A gateway calls the message service. There is exactly one answer, `None` where the call failed or
    /// took longer than `within`; it may have been carried out all the same.
    pub(crate) fn call_service<T: 'static, F: Future<Output = T> + 'static>(
        &mut self,
        gateway: usize,
        within: Time,
        call: impl FnOnce(Arc<Repo>) -> F + 'static,
        answer: impl FnOnce(&mut World, Option<T>) + 'static,
    ) {
        let (asker, life) = (Node::Gateway(gateway), self.processes.life(Node::Gateway(gateway)));
        let answer: Answer<T> = Rc::new(RefCell::new(Some(Box::new(answer))));
        let late = answer.clone();
        self.later_in(asker, life, within, move |world| tell(world, &late, None));
        let pod = self.chance.index(self.shape.pods);
        let to = Node::Pod(pod);
        if !self.network.reaches(asker, to) {
            return;
        }
        let delay = self.network.delay(asker, to);
        if !self.processes.is_up(to) {
            // Nobody listens there.
            self.later_in(asker, life, 2 * delay, move |world| tell(world, &answer, None));
            return;
        }
        self.later(to, delay, move |world| {
            world.run_on_pod(pod, call, move |world, found| {
                if world.network.reaches(to, asker) {
                    let delay = world.network.delay(to, asker);
                    world.later_in(asker, life, delay, move |world| {
                        tell(world, &answer, Some(found));
                    });
                }
            });
        });
    }
}

fn tell<T>(world: &mut World, answer: &Answer<T>, found: Option<T>) {
    let answer = answer.borrow_mut().take();
    if let Some(answer) = answer {
        answer(world, found);
    }
}
