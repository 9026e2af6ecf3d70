//! What pods do for the replicas: learn who votes, and compare them again and again.

use std::sync::Arc;

use messages_core::{
    repair::{Attendance, Pass},
    replica::ReplicaError,
};

use super::Repo;
use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// Between two passes.
const PASSES: Time = 20 * S;

/// How soon a pod looks again for one that joins, or after a pass that came to nothing.
const SOON: Time = S;

/// Between two steps of a pass, at most.
const STEP: Time = 200 * MS;

/// How old a tombstone has to be to be forgotten. Nothing is under way for longer: a pod that pauses does so for 70 s.
const FORGOTTEN: Time = 150 * S;

impl World {
    /// A pod learns who votes, and begins a pass.
    pub(super) fn attend(&mut self, pod: usize) {
        let call = move |repository: Arc<Repo>| async move { repository.attend().await };
        self.run_on_pod(pod, call, move |world, found| world.attended(pod, found));
    }

    fn attended(&mut self, pod: usize, found: Result<Attendance, ReplicaError>) {
        let sole = self.shape.replicas == 1;
        match found {
            Ok(_) if sole => {}
            Ok(Attendance { founded: true, .. }) => {
                hit("roster: founded");
                self.attend_later(pod, SOON);
            }
            Ok(attendance) => {
                if !attendance.joining.is_empty() {
                    hit("roster: joining");
                    trace!(self, Node::Pod(pod), "fills {:?}", attendance.joining);
                }
                self.step(pod, Pass::new(self.shape.replicas));
            }
            Err(_) => self.attend_later(pod, SOON),
        }
    }

    fn attend_later(&mut self, pod: usize, wait: Time) {
        self.later(Node::Pod(pod), wait, move |world| world.attend(pod));
    }

    fn step(&mut self, pod: usize, mut pass: Pass) {
        let before = self.pod_wall(pod).saturating_sub(FORGOTTEN / MS);
        let call = move |repository: Arc<Repo>| async move {
            let more = pass.step(&repository, before).await;
            (pass, more)
        };
        self.run_on_pod(pod, call, move |world, (pass, more)| match more {
            Ok(true) => {
                let wait = world.tending.between(MS, STEP);
                world.later(Node::Pod(pod), wait, move |world| world.step(pod, pass));
            }
            Ok(false) => world.passed(pod, &pass),
            Err(_) => {
                hit("repair: broke off");
                world.attend_later(pod, SOON);
            }
        });
    }

    fn passed(&mut self, pod: usize, pass: &Pass) {
        let done = pass.progress();
        for (many, what) in [
            (done.given > 0, "repair: given"),
            (done.taken > 0, "repair: taken from one that joins"),
            (done.forgotten > 0, "repair: forgotten"),
            (!done.filled.is_empty(), "repair: filled"),
            (done.trouble.is_some(), "repair: one left"),
        ] {
            if many {
                hit(what);
            }
        }
        trace!(self, Node::Pod(pod), "has compared the replicas: {done:?}");
        let wait = if done.trouble.is_some() { 5 * S } else { PASSES };
        self.attend_later(pod, wait);
    }
}
