//! What a service does for the replicas of an island all the time: it learns who votes, compares them, gives each
//! what it lacks, and fills those that join. Services beside each other do the same, and harm nothing by it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use messages_core::{
    repair::{Attendance, Pass, Progress},
    replica::{Replica, ReplicaError},
    repository::Quorum,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Clock, Metrics, metrics::Standing};

/// How old a tombstone has to be, in milliseconds, before it is forgotten.
const FORGOTTEN: u64 = 600_000;

/// How fast replicas are compared.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Between two stretches of some hundred records. A million records take four thousand of them.
    pub step: Duration,
    /// The same while a replica is filled: until then none of the others may be away.
    pub fill: Duration,
    /// Between two passes, unless somebody comes or goes.
    pub pass: Duration,
    /// How often it is looked who is there, and how soon a pass that broke off is begun anew.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            step: Duration::from_millis(20),
            fill: Duration::from_millis(1),
            pass: Duration::from_secs(60),
            look: Duration::from_secs(1),
        }
    }
}

/// Tends the replicas until the token is cancelled.
pub async fn tend<R: Replica>(
    quorum: Arc<Quorum<R>>,
    pace: Pace,
    clock: Clock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let mut tender = Tender { quorum, pace, clock, metrics, told: None, trouble: None };
    shutdown.run_until_cancelled(tender.run()).await;
}

struct Tender<R> {
    quorum: Arc<Quorum<R>>,
    pace: Pace,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// What was said last of who is there, and of what goes wrong.
    told: Option<Result<Attendance, ReplicaError>>,
    trouble: Option<String>,
}

impl<R: Replica> Tender<R> {
    async fn run(&mut self) {
        let mut last: Option<(Attendance, Instant)> = None;
        loop {
            let attendance = self.quorum.attend().await;
            self.tell(&attendance);
            if let Ok(attendance) = attendance {
                let is_due = last.as_ref().is_none_or(|(before, at)| {
                    *before != attendance || at.elapsed() >= self.pace.pass
                });
                let fills = !attendance.joining.is_empty();
                if is_due || fills {
                    let step = if fills { self.pace.fill } else { self.pace.step };
                    last = self.pass(step).await.then(|| (attendance, Instant::now()));
                }
            }
            sleep(self.pace.look).await;
        }
    }

    /// Says whether it came to its end.
    async fn pass(&mut self, step: Duration) -> bool {
        let mut pass = Pass::new(self.quorum.size());
        let outcome = loop {
            let before = pass.progress().clone();
            let more = pass.step(&self.quorum, (self.clock)().saturating_sub(FORGOTTEN)).await;
            self.count(&before, pass.progress());
            match more {
                Ok(true) => sleep(step).await,
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let (done, metrics) = (pass.progress(), &self.metrics.repair);
        for filled in &done.filled {
            tracing::info!(replica = %filled, given = done.given, "a replica was filled, and votes");
            metrics.filled.inc();
        }
        if outcome.is_ok() && done.filled.is_empty() && done.given + done.taken > 0 {
            tracing::info!(given = done.given, "gave replicas what they lacked");
        }
        let trouble = match &outcome {
            Ok(()) => done.trouble.clone(),
            Err(error) => Some(error.to_string()),
        };
        match &trouble {
            Some(trouble) => {
                metrics.incomplete.inc();
                if self.trouble.as_ref() != Some(trouble) {
                    tracing::warn!(trouble, "not all replicas were compared");
                }
            }
            None => {
                metrics.passes.inc();
            }
        }
        self.trouble = trouble;
        outcome.is_ok()
    }

    fn count(&self, before: &Progress, now: &Progress) {
        let metrics = &self.metrics.repair;
        metrics.part.set(now.part);
        metrics.compared.inc_by(now.compared - before.compared);
        metrics.differed.inc_by(now.differed - before.differed);
        metrics.given.inc_by(now.given - before.given);
        metrics.forgotten.inc_by(now.forgotten - before.forgotten);
    }

    fn tell(&mut self, attendance: &Result<Attendance, ReplicaError>) {
        if self.told.as_ref() != Some(attendance) {
            match attendance {
                Ok(Attendance { founded: true, .. }) => {
                    tracing::info!("the replicas are new, and vote from now on");
                }
                Ok(Attendance { voting, joining, away, .. }) => {
                    tracing::info!(voting, ?joining, away, "replicas");
                }
                Err(error) => tracing::warn!(%error, "asking the replicas failed"),
            }
            self.told = Some(attendance.clone());
        }
        let all = self.quorum.size();
        let (voting, joining, away) = match attendance {
            Ok(Attendance { voting, joining, away, .. }) => (*voting, joining.len(), *away),
            Err(_) => (0, 0, all),
        };
        for (standing, count) in [("voting", voting), ("joining", joining), ("away", away)] {
            let gauge = self.metrics.replicas.get_or_create(&Standing { standing });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
