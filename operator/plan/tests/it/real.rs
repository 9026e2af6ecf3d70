//! The plan carried out on real Redis: the executor that the crate's head describes, in its smallest
//! form.

use std::time::Duration;

use chatcluster_testkit::{redis::RedisNode, wait_for};
use operator_plan::{Goal, Member, Picture, Place, Seen, Step, View, plan};

/// Forming takes two seconds on an idle machine, healing as long as it takes nodes to notice.
const SETTLED: Duration = Duration::from_secs(60);

struct Cluster {
    goal: Goal,
    nodes: Vec<RedisNode>,
}

impl Cluster {
    async fn form(shards: usize, replicas: usize) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..shards * (1 + replicas) {
            nodes.push(RedisNode::start().await);
        }
        let mut cluster = Self { goal: Goal { shards, replicas }, nodes };
        cluster.settle().await;
        cluster
    }

    fn name(index: usize) -> String {
        format!("redis-{index}")
    }

    async fn picture(&mut self) -> Picture {
        let mut members = Vec::new();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let place = Place {
                ip: "127.0.0.1".to_owned(),
                port: node.port(),
                bus: node.bus(),
                hostname: None,
            };
            let seen = look(node).await;
            let shard = index / (1 + self.goal.replicas);
            members.push(Member { name: Self::name(index), shard, place, seen });
        }
        Picture { members }
    }

    /// Runs the plan until it has nothing to do, and returns what it did.
    async fn settle(&mut self) -> Vec<Step> {
        let mut done = Vec::new();
        let what = format!("the plan for {:?} has nothing to do", self.goal);
        wait_for(&what, SETTLED, async || {
            let picture = self.picture().await;
            let Some(step) = plan(&picture, &self.goal) else { return Some(()) };
            println!("{step}");
            for command in step.commands(&picture) {
                let at = |index: &usize| Self::name(*index) == command.at;
                let index = (0..self.nodes.len()).find(at).unwrap();
                let mut cmd = redis::Cmd::new();
                cmd.arg(&command.words);
                if let Err(e) = self.nodes[index].query::<()>(&cmd).await {
                    println!("  {}: {e}", command.at);
                }
            }
            if !matches!(step, Step::Wait(_)) {
                done.push(step);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        })
        .await;
        self.check().await;
        done
    }

    /// Every node serves, sees all slots and knows exactly its peers.
    async fn check(&self) {
        let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        for node in &self.nodes {
            let info: String = node.command("CLUSTER INFO").await;
            for part in ["cluster_state:ok", "cluster_slots_ok:16384", &known] {
                assert!(info.contains(part), "{part} in {info}");
            }
        }
    }

    async fn id(&self, index: usize) -> String {
        self.nodes[index].command("CLUSTER MYID").await
    }

    async fn is_master(&self, index: usize) -> bool {
        let info: String = self.nodes[index].command("INFO replication").await;
        info.contains("role:master")
    }
}

async fn look(node: &mut RedisNode) -> Seen {
    let ask = |what: &str| {
        let mut cmd = redis::cmd("CLUSTER");
        cmd.arg(what);
        cmd
    };
    if node.process().ended().is_some() {
        return Seen::Absent;
    }
    let nodes = node.query::<String>(&ask("NODES")).await;
    let info = node.query::<String>(&ask("INFO")).await;
    let (Ok(nodes), Ok(info)) = (nodes, info) else { return Seen::Silent };
    Seen::Answers(View::read(&nodes, &info).unwrap())
}

fn took_over(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::TakeOver { .. }))
}

#[tokio::test]
async fn a_cluster_is_formed_and_formed_again_changes_nothing() {
    let mut cluster = Cluster::form(3, 1).await;
    for index in 0..6 {
        assert_eq!(cluster.is_master(index).await, index % 2 == 0, "redis-{index}");
    }
    assert_eq!(cluster.settle().await, []);
}

#[tokio::test]
async fn strangers_in_the_place_of_lost_masters_get_their_slots_also_when_the_majority_is_lost() {
    let mut cluster = Cluster::form(3, 0).await;
    cluster.nodes[1].restart(false).await;
    let steps = cluster.settle().await;
    assert!(steps.iter().any(|s| matches!(s, Step::AddSlots { to, .. } if to == "redis-1")));

    let survivor = cluster.id(0).await;
    cluster.nodes[1].restart(false).await;
    cluster.nodes[2].restart(false).await;
    cluster.settle().await;
    assert_eq!(cluster.id(0).await, survivor);
    for index in 0..3 {
        cluster.nodes[index].restart(false).await;
    }
    cluster.settle().await;
}

#[tokio::test]
async fn a_stranger_in_the_place_of_a_master_follows_the_replica_that_took_over_with_all_data() {
    let mut cluster = Cluster::form(3, 1).await;
    // Slot 12182 belongs to the third shard.
    cluster.nodes[4].command::<()>("SET foo kept").await;
    wait_for("the replica has the key", SETTLED, async || {
        (cluster.nodes[5].command::<i64>("DBSIZE").await == 1).then_some(())
    })
    .await;
    // At once, so that no node has noticed that the master was away.
    cluster.nodes[4].restart(false).await;
    let steps = cluster.settle().await;
    assert!(took_over(&steps), "{steps:#?}");
    assert!(cluster.is_master(5).await && !cluster.is_master(4).await);
    assert_eq!(cluster.nodes[5].command::<String>("GET foo").await, "kept");
}

#[tokio::test]
async fn a_frozen_master_is_left_to_the_vote_and_keeps_its_name_when_it_thaws() {
    let mut cluster = Cluster::form(3, 1).await;
    let frozen = cluster.id(0).await;
    cluster.nodes[0].pause();
    wait_for("the vote made redis-1 master", SETTLED, async || {
        let picture = cluster.picture().await;
        let step = plan(&picture, &cluster.goal);
        assert!(matches!(step, Some(Step::Wait(_))), "{step:?}");
        cluster.is_master(1).await.then_some(())
    })
    .await;
    cluster.nodes[0].resume();
    let steps = cluster.settle().await;
    assert!(!took_over(&steps) && cluster.id(0).await == frozen, "{steps:#?}");
    assert!(cluster.is_master(1).await && !cluster.is_master(0).await);
}
