//! The WebSocket manager: pods come and go, and a Redis Cluster is formed of them and healed. The
//! operator, the API server with its controllers, and the Redis processes are real.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chatcluster_e2e::{Kubelet, KubeletOptions};
use chatcluster_testkit::{wait_for, wait_until};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use operator_plan::{NodeId, Role, Slots, View};
use redis::RedisResult;
use serde_json::json;

use crate::world::{Operator, World, server};

/// Twice what the slowest of these takes on two busy cores: a lost node's pods are only replaced when
/// the controllers, a toleration, a grace period and our own patience have had their time.
const HEALED: Duration = Duration::from_secs(120);

const REDIS: &str = "app.kubernetes.io/component=redis";

/// A ChatCluster whose Redis nodes run.
struct Manager {
    world: World,
    operator: Operator,
    kubelet: Kubelet,
}

/// A Redis node that answers.
#[derive(Debug)]
struct Node {
    pod: String,
    /// Where it runs.
    on: String,
    says: View,
}

impl Node {
    /// The slots that it serves as their master.
    fn slots(&self) -> Slots {
        let myself = self.says.myself().filter(|myself| myself.role == Role::Master);
        myself.filter(|_| self.says.ok).map_or(Slots::none(), |myself| myself.slots.clone())
    }

    fn is_master(&self) -> bool {
        !self.slots().is_empty()
    }
}

/// Whether these nodes serve all slots, and none thinks otherwise.
fn serve(nodes: &[Node]) -> bool {
    let slots: Vec<_> = nodes.iter().map(Node::slots).collect();
    slots.iter().collect::<Slots>() == Slots::all() && nodes.iter().all(|node| node.says.ok)
}

impl Manager {
    /// The first two shards' first pods, which become masters, share a node; their replicas do not.
    async fn start(purpose: &str) -> Self {
        let place = |pod: &Pod| match pod.name_any().as_str() {
            "main-redis-0-0" | "main-redis-1-0" => Some(0),
            name if name.starts_with("main-redis") => Some(1 + usize::from(name.ends_with('1'))),
            _ => None,
        };
        let options = KubeletOptions { place, ..KubeletOptions::default() };
        let world = World::new(purpose).await;
        let kubelet = Kubelet::start(server(), &world.namespace, options);
        world.create("main", json!({})).await;
        let begun = Instant::now();
        let operator = world.operator(&[]);
        let manager = Self { world, operator, kubelet };
        manager.healed(&BTreeSet::new()).await;
        println!("formed after {:.1?}", begun.elapsed());
        manager
    }

    fn pods(&self) -> Api<Pod> {
        self.world.namespace.api()
    }

    /// Every node that answers.
    async fn nodes(&self) -> Vec<Node> {
        let pods = self.pods().list(&ListParams::default().labels(REDIS)).await.unwrap();
        let mut nodes = Vec::new();
        for pod in pods {
            nodes.extend(node(&pod).await);
        }
        nodes
    }

    /// Waits until six nodes serve all slots, none of them one of `gone`, and the resource says so.
    async fn healed(&self, gone: &BTreeSet<NodeId>) -> Vec<Node> {
        let nodes = wait_for("six nodes serve all slots", HEALED, async || {
            let nodes = self.nodes().await;
            let masters = nodes.iter().filter(|node| node.is_master()).count();
            let fresh = nodes.iter().all(|node| !gone.contains(&node.says.me));
            (nodes.len() == 6 && serve(&nodes) && masters == 3 && fresh).then_some(nodes)
        });
        let nodes = nodes.await;
        wait_until("the resource says so", HEALED, async || {
            let status = self.world.clusters().get("main").await.unwrap().status.unwrap();
            let ready = |type_: &str| {
                let mut conditions = status.conditions.iter();
                conditions.any(|one| one.type_ == type_ && one.status == "True")
            };
            ready("ManagerReady") && status.manager.slots_assigned == 16384
        })
        .await;
        nodes
    }

    async fn stop(self) {
        self.operator.stop().await;
        drop(self.kubelet);
    }
}

async fn node(pod: &Pod) -> Option<Node> {
    let ip = pod.status.as_ref()?.pod_ip.clone()?;
    let question = async {
        let client = redis::Client::open((ip, 6379))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut questions = redis::pipe();
        questions.cmd("CLUSTER").arg("NODES");
        questions.cmd("CLUSTER").arg("INFO");
        questions.cmd("INFO").arg("replication");
        let answers: [String; 3] = questions.query_async(&mut connection).await?;
        RedisResult::Ok(answers)
    };
    let [nodes, info, replication] = question.await.ok()?;
    let says = View::read(&nodes, &info, &replication).unwrap();
    Some(Node { pod: pod.name_any(), on: pod.spec.as_ref()?.node_name.clone()?, says })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_master_and_all_nodes_at_once_are_replaced() {
    let manager = Manager::start("manager").await;
    let before = manager.nodes().await;
    let master = before.iter().find(|node| node.is_master()).unwrap();
    let begun = Instant::now();
    manager.pods().delete(&master.pod, &DeleteParams::default()).await.unwrap();
    let after = manager.healed(&[master.says.me.clone()].into()).await;
    println!("a deleted master: healed after {:.1?}", begun.elapsed());
    let replaced = after.iter().find(|node| node.pod == master.pod).unwrap();
    assert!(!replaced.is_master(), "its replica has the data: {after:#?}");

    let gone = after.into_iter().map(|node| node.says.me).collect();
    let begun = Instant::now();
    let redis = ListParams::default().labels(REDIS);
    manager.pods().delete_collection(&DeleteParams::default(), &redis).await.unwrap();
    manager.healed(&gone).await;
    println!("all nodes deleted at once: healed after {:.1?}", begun.elapsed());
    manager.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_with_the_majority_of_the_masters_is_survived() {
    let manager = Manager::start("majority").await;
    let doomed = &manager.kubelet.nodes()[0];
    let before = manager.nodes().await;
    let lost: Vec<_> = before.iter().filter(|node| node.on == *doomed).collect();
    assert!(lost.len() == 2 && lost.iter().all(|node| node.is_master()), "{before:#?}");

    let begun = Instant::now();
    manager.kubelet.lose_node(doomed);
    wait_until("the others serve all slots", HEALED, async || serve(&manager.nodes().await)).await;
    println!("two masters of three lost with their node: served after {:.1?}", begun.elapsed());
    let gone = lost.iter().map(|node| node.says.me.clone()).collect();
    let after = manager.healed(&gone).await;
    println!("and whole again after {:.1?}", begun.elapsed());
    assert!(after.iter().all(|node| node.on != *doomed), "{after:#?}");
    manager.stop().await;
}
