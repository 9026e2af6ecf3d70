//! All processes of a cluster: in which order they start, when they are ready, in which order they stop.

use std::time::Duration;

use futures_util::future::join_all;
use operator_plan::Goal;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    child::{self, Health, Kept, Program},
    cluster::{Cluster, MESSAGES, Redis},
    endpoints, manager,
    probe::Probe,
    programs::Programs,
    render,
    report::Report,
};

/// How long gateways are held back for the WebSocket manager. They run without it, but one that starts
/// before it takes seconds to notice that it came, and messages wait for that long. Forming takes 2 to 5 s.
const HELD_BACK: Duration = Duration::from_secs(20);

/// Beyond its drain, a gateway lets last frames leave (3 s) and ends its lease (3 s).
const GATEWAY_STOPS: Duration = Duration::from_secs(8);

/// Calls under way have 10 s in the message service.
const MESSAGES_STOPS: Duration = Duration::from_secs(13);

/// Redis has nothing to write.
const REDIS_STOPS: Duration = Duration::from_secs(5);

/// All processes, in the order in which they stop.
pub(super) struct Fleet {
    gateways: Group,
    messages: Group,
    redis: Group,
    manager: Manager,
}

/// Processes that are stopped together.
struct Group {
    children: Vec<Kept>,
    stop: CancellationToken,
}

/// Who forms and heals the Redis Cluster.
struct Manager {
    ready: watch::Receiver<bool>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Fleet {
    /// Starts all but the gateways at once, and these when the manager is ready.
    pub(super) fn start(cluster: &Cluster, programs: &Programs, report: &Report) -> Self {
        let group = Group::start;
        let children = cluster.redis.iter().map(|node| redis(cluster, programs, node)).collect();
        let redis = group(children, cluster, programs, report, None);
        let messages = vec![messages(cluster, programs)];
        let messages = group(messages, cluster, programs, report, None);
        let nodes = cluster.redis.iter().zip(&redis.children);
        let nodes = nodes
            .map(|(node, kept)| manager::Kept { redis: node.clone(), health: kept.health.clone() });
        let manager = Manager::start(nodes.collect(), cluster.goal(), report.clone());
        let gateways = (0..cluster.gateways.len()).map(|index| gateway(cluster, programs, index));
        let after = Some(manager.ready.clone());
        let gateways = group(gateways.collect(), cluster, programs, report, after);
        Self { gateways, messages, redis, manager }
    }

    /// Returns when everything has become ready.
    pub(super) async fn ready(&self) {
        let children = self.children().map(|kept| async {
            // An error means that it is being stopped.
            let _ = kept.health.clone().wait_for(|health| *health == Health::Ready).await;
        });
        join_all(children).await;
        let _ = self.manager.ready.clone().wait_for(|ready| *ready).await;
    }

    /// What is not ready.
    pub(super) fn unready(&self) -> Vec<&str> {
        let children = self.children().filter(|kept| *kept.health.borrow() != Health::Ready);
        let manager = (!*self.manager.ready.borrow()).then_some("manager");
        children.map(|kept| kept.name.as_str()).chain(manager).collect()
    }

    fn children(&self) -> impl Iterator<Item = &Kept> {
        [&self.redis, &self.messages, &self.gateways].into_iter().flat_map(|group| &group.children)
    }

    /// Gateways first, while what they need is there: they let go of their clients.
    pub(super) async fn stop(self) {
        self.gateways.stop().await;
        self.messages.stop().await;
        self.manager.stop.cancel();
        // It cannot fail; that it ends before its nodes keeps it from healing what is being stopped.
        let _ = self.manager.task.await;
        self.redis.stop().await;
    }
}

impl Manager {
    fn start(nodes: Vec<manager::Kept>, goal: Goal, report: Report) -> Self {
        let (stop, (ready, is_ready)) = (CancellationToken::new(), watch::channel(false));
        let conduct = manager::conduct(nodes, goal, report, ready, stop.clone());
        Self { ready: is_ready, task: tokio::spawn(conduct), stop }
    }
}

impl Group {
    /// Starts them, if there is something to wait for, after it or in spite of it.
    fn start(
        children: Vec<Program>,
        cluster: &Cluster,
        programs: &Programs,
        report: &Report,
        after: Option<watch::Receiver<bool>>,
    ) -> Self {
        let stop = CancellationToken::new();
        let keep = |program: Program| {
            let (operator, paths) = (programs.operator.clone(), cluster.paths.clone());
            // A log that cannot be put aside is appended to.
            let _ = child::rotate_log(&paths.log(&program.name));
            let after = after.clone();
            let begin = async move {
                if let Some(mut ready) = after {
                    let _ = timeout(HELD_BACK, ready.wait_for(|ready| *ready)).await;
                }
            };
            child::keep(operator, program, paths, report.clone(), begin, stop.clone())
        };
        Self { children: children.into_iter().map(keep).collect(), stop: stop.clone() }
    }

    async fn stop(self) {
        self.stop.cancel();
        join_all(self.children.into_iter().map(|kept| kept.task)).await;
    }
}

fn gateway(cluster: &Cluster, programs: &Programs, index: usize) -> Program {
    let gateway = &cluster.gateways[index];
    let config = cluster.paths.config(&format!("{}.yaml", gateway.name));
    Program {
        name: gateway.name.clone(),
        path: programs.gateway.clone(),
        arguments: vec!["--config".into(), config.into()],
        probe: Probe::Admin(gateway.admin),
        ready: format!("ready: {}", endpoints::wss(cluster, gateway.client)),
        stop_within: *render::drain_timeout(cluster) + GATEWAY_STOPS,
    }
}

fn messages(cluster: &Cluster, programs: &Programs) -> Program {
    Program {
        name: MESSAGES.into(),
        path: programs.messages.clone(),
        arguments: vec!["--config".into(), cluster.paths.config("messages.yaml").into()],
        probe: Probe::Admin(cluster.messages.admin),
        ready: format!("ready: {}", endpoints::http(cluster)),
        stop_within: MESSAGES_STOPS,
    }
}

fn redis(cluster: &Cluster, programs: &Programs, node: &Redis) -> Program {
    Program {
        name: node.name.clone(),
        path: programs.redis.clone(),
        arguments: vec![cluster.paths.config(&format!("{}.conf", node.name)).into()],
        probe: Probe::Redis(node.port),
        ready: "ready".into(),
        stop_within: REDIS_STOPS,
    }
}
