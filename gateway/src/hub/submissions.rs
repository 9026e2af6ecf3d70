//! What backends want.

use std::sync::{Arc, PoisonError};

use chatcluster_manager::Manager;
use gateway_core::{
    Away,
    session::{Append, AppendResult},
    submission::{Refused, Step, Stored, Submission},
};

use super::Hub;

impl<M: Manager> Hub<M> {
    /// Stores a backend's message, then routes it. Goes on when nobody waits for the answer any more: what is
    /// stored is routed.
    pub async fn submit(self: &Arc<Self>, submission: Submission) -> Result<Stored, Refused> {
        let hub = self.clone();
        let task = tokio::spawn(async move { hub.carry_submission(submission).await });
        task.await.unwrap_or(Err(Refused::Unavailable))
    }

    async fn carry_submission(&self, mut submission: Submission) -> Result<Stored, Refused> {
        let mut append = self.stamped(|clock, wall| submission.stamp(clock, wall));
        loop {
            let result = self.append_one(&append).await;
            match self.stamped(|clock, wall| submission.settle(result, clock, wall)) {
                Step::Append(again) => append = again,
                Step::Stored { stored, push, devices } => {
                    self.route_all(vec![(push, devices)]);
                    return Ok(stored);
                }
                Step::Refused(refused) => return Err(refused),
            }
        }
    }

    async fn append_one(&self, append: &Append) -> Result<AppendResult, Away> {
        let results = Box::pin(self.messages.append(std::slice::from_ref(append))).await?;
        results.into_iter().next().ok_or(Away)
    }

    fn stamped<T>(
        &self,
        work: impl FnOnce(&mut chatcluster_protocol::id::HybridClock, u64) -> T,
    ) -> T {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut shared.0, self.clock.now().wall)
    }
}
