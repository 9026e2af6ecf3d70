//! Carries out the plan for the WebSocket manager's Redis Cluster: looks at all nodes, does one step,
//! looks again. What to do is `operator-plan`'s decision alone.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::future::join_all;
use operator_plan::{Goal, Member, Picture, Place, Seen, Step, View, plan};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{child::Health, cluster::Redis, report::Report};

/// A node on loopback answers at once or hangs.
const PATIENCE: Duration = Duration::from_secs(1);

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
pub(super) struct Node {
    pub(super) redis: Redis,
    pub(super) health: watch::Receiver<Health>,
}

/// Forms the cluster and heals it until `stop`; `ready` says whether there is nothing to do.
pub(super) async fn conduct(
    nodes: Vec<Node>,
    goal: Goal,
    report: Report,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut telling = Telling { goal, report, formed: false, waiting: None };
    loop {
        let picture = Picture { members: join_all(nodes.iter().map(look)).await };
        let step = plan(&picture, &goal);
        telling.tell(step.as_ref(), *ready.borrow());
        ready.send_replace(step.is_none());
        let pause = if step.is_some() { AFTER_STEP } else { AT_REST };
        if let Some(step) = step {
            carry_out(&nodes, &step, &picture).await;
        }
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn look(node: &Node) -> Member {
    let Redis { name, shard, port, bus } = node.redis.clone();
    // Before the question: a process that ends meanwhile is asked in vain and merely silent.
    let seen = match *node.health.borrow() {
        Health::Down => None,
        Health::Starting | Health::Ready => Some(ask(port)),
    };
    let seen = match seen {
        None => Seen::Absent,
        Some(answer) => answer.await.map_or(Seen::Silent, Seen::Answers),
    };
    let place = Place { ip: Ipv4Addr::LOCALHOST.to_string(), port, bus, hostname: None };
    Member { name, shard, place, seen }
}

async fn ask(port: u16) -> Option<View> {
    let question = async {
        let mut connection = connect(port).await?;
        let nodes: String = cluster(&["NODES"]).query_async(&mut connection).await?;
        let info: String = cluster(&["INFO"]).query_async(&mut connection).await?;
        RedisResult::Ok((nodes, info))
    };
    let (nodes, info) = question.await.ok()?;
    View::read(&nodes, &info)
        .inspect_err(|error| tracing::warn!(port, %error, "a Redis node's answer is unreadable"))
        .ok()
}

/// An error ends the step: what failed shows in the next picture.
async fn carry_out(nodes: &[Node], step: &Step, picture: &Picture) {
    for command in step.commands(picture) {
        let Some(node) = nodes.iter().find(|node| node.redis.name == command.at) else { continue };
        let mut words = Cmd::new();
        words.arg(&command.words);
        let done = async {
            let mut connection = connect(node.redis.port).await?;
            words.query_async::<()>(&mut connection).await
        };
        if let Err(error) = done.await {
            tracing::info!(node = command.at, command = command.words.join(" "), %error, "a step failed");
            return;
        }
    }
}

async fn connect(port: u16) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = Client::open((Ipv4Addr::LOCALHOST.to_string(), port))?;
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn cluster(words: &[&str]) -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg(words);
    command
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
