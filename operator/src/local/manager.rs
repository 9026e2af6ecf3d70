//! The life of the WebSocket manager's Redis Cluster: looks at all nodes, does one step of the plan, looks
//! again.

use std::{net::Ipv4Addr, time::Duration};

use operator_plan::{Goal, Place, Step, plan};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{child::Health, cluster::Redis, report::Report};
use crate::redis::{Node, carry_out, look};

/// After a step: gossip needs about a second to spread, and most steps wait for it.
const AFTER_STEP: Duration = Duration::from_millis(200);

/// While there is nothing to do.
const AT_REST: Duration = Duration::from_secs(1);

/// A wait is told when it lasts longer than the silence after which nodes hold another for failed, and
/// an election.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// The name of the WebSocket manager on the terminal.
const NAME: &str = "manager";

/// A node and whether its process runs.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) redis: Redis,
    pub(super) health: watch::Receiver<Health>,
}

/// Forms the cluster and heals it until `stop`; `ready` says whether there is nothing to do.
pub(super) async fn conduct(
    nodes: Vec<Kept>,
    goal: Goal,
    report: Report,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut telling = Telling { goal, report, formed: false, waiting: None };
    loop {
        let now: Vec<_> = nodes.iter().map(node).collect();
        let picture = look(&now).await;
        let step = plan(&picture, &goal);
        telling.tell(step.as_ref(), *ready.borrow());
        ready.send_replace(step.is_none());
        let pause = if step.is_some() { AFTER_STEP } else { AT_REST };
        if let Some(step) = step
            && let Err(error) = carry_out(&step, &picture).await
        {
            tracing::info!(%error, "a step failed");
        }
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// The node as it is before it is asked: a process that ends meanwhile is asked in vain and merely
/// silent.
fn node(kept: &Kept) -> Node {
    let Redis { name, shard, port, bus } = kept.redis.clone();
    let may_run = match *kept.health.borrow() {
        Health::Down => false,
        Health::Starting | Health::Ready => true,
    };
    let place = Place { ip: Ipv4Addr::LOCALHOST.to_string(), port, bus, hostname: None };
    Node { name, shard, place, may_run }
}

/// What people are told of it: forming is expected, repairs are news, waits only when they last.
struct Telling {
    goal: Goal,
    report: Report,
    formed: bool,
    waiting: Option<(String, Instant)>,
}

impl Telling {
    fn tell(&mut self, step: Option<&Step>, was_ready: bool) {
        match step {
            None => {
                self.waiting = None;
                if !was_ready {
                    self.formed = true;
                    let Goal { shards, replicas } = self.goal;
                    let text = format!("ready: {shards} masters, {} replicas", shards * replicas);
                    self.report.event(NAME, &text);
                }
            }
            Some(step @ Step::Wait(_)) => self.tell_wait(step.to_string()),
            Some(step) => {
                self.waiting = None;
                match self.formed {
                    true => self.report.event(NAME, &step.to_string()),
                    false => self.report.detail(NAME, &step.to_string()),
                }
            }
        }
    }

    fn tell_wait(&mut self, text: String) {
        match &self.waiting {
            Some((waiting, since)) if *waiting == text => {
                if since.elapsed() < LONG_WAIT {
                    return;
                }
                self.report.event(NAME, &text);
            }
            _ => self.report.detail(NAME, &text),
        }
        self.waiting = Some((text, Instant::now()));
    }
}
