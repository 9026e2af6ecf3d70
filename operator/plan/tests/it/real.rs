//! The plan carried out on real Redis: the executor that the crate's head describes, in its smallest
//! form.

use std::time::{Duration, Instant};

use chatcluster_testkit::{redis::RedisNode, wait_for};
use futures_util::future::join_all;
use operator_plan::{Goal, Member, NoVote, Picture, Place, Seen, Slots, Step, View, plan};
use redis::RedisResult;
use tokio::time::timeout;

/// Forming takes two seconds on an idle machine, healing as long as it takes nodes to notice.
const SETTLED: Duration = Duration::from_secs(60);

struct Cluster {
    goal: Goal,
    nodes: Vec<RedisNode>,
    /// Nobody tells us that a process has ended: its machine is lost, too.
    ends_are_unknown: bool,
}

impl Cluster {
    async fn form(shards: usize, replicas: usize) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..shards * (1 + replicas) {
            nodes.push(RedisNode::start().await);
        }
        let goal = Goal { shards, replicas };
        let mut cluster = Self { goal, nodes, ends_are_unknown: false };
        cluster.settle().await;
        cluster
    }

    fn name(index: usize) -> String {
        format!("redis-{index}")
    }

    async fn picture(&mut self) -> Picture {
        let (goal, unknown) = (self.goal, self.ends_are_unknown);
        let members = self.nodes.iter_mut().enumerate().map(async |(index, node)| {
            let place = Place {
                ip: "127.0.0.1".to_owned(),
                port: node.port(),
                bus: node.bus(),
                hostname: None,
            };
            let ended = !unknown && node.process().ended().is_some();
            let seen = if ended { Seen::Absent } else { look(node).await };
            Member { name: Self::name(index), shard: index / (1 + goal.replicas), place, seen }
        });
        Picture { members: join_all(members).await }
    }

    /// Runs the plan until it has nothing to do, and returns what it did.
    async fn settle(&mut self) -> Vec<Step> {
        let what = format!("the plan for {:?} has nothing to do", self.goal);
        let done = self.tend_until(&what, async |_, step| step.is_none()).await;
        self.check().await;
        done
    }

    /// Runs the plan until `enough`, which sees the cluster and the next step, and returns what it did.
    async fn tend_until(
        &mut self,
        what: &str,
        mut enough: impl AsyncFnMut(&Self, Option<&Step>) -> bool,
    ) -> Vec<Step> {
        let mut done = Vec::new();
        wait_for(what, SETTLED, async || {
            let picture = self.picture().await;
            let step = plan(&picture, &self.goal);
            if enough(self, step.as_ref()).await {
                return Some(());
            }
            if let Some(step) = step {
                println!("{step}");
                self.carry_out(&step, &picture).await;
                done.push(step);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        })
        .await;
        done.retain(|step| !matches!(step, Step::Wait(_)));
        done
    }

    async fn carry_out(&self, step: &Step, picture: &Picture) {
        for command in step.commands(picture) {
            let at = |index: &usize| Self::name(*index) == command.at;
            let index = (0..self.nodes.len()).find(at).unwrap();
            let mut cmd = redis::Cmd::new();
            cmd.arg(&command.words);
            if let Err(e) = self.nodes[index].query::<()>(&cmd).await {
                println!("  {}: {e}", command.at);
            }
        }
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

    /// Whether these nodes serve, and own all slots among themselves.
    async fn serves_by(&self, nodes: &[usize]) -> bool {
        let mut owned = Slots::none();
        for index in nodes {
            let Seen::Answers(view) = look(&self.nodes[*index]).await else { return false };
            if !view.ok {
                return false;
            }
            owned = owned.union(&view.myself().unwrap().slots);
        }
        owned == Slots::all()
    }

    async fn id(&self, index: usize) -> String {
        self.nodes[index].command("CLUSTER MYID").await
    }

    async fn is_master(&self, index: usize) -> bool {
        let info: String = self.nodes[index].command("INFO replication").await;
        info.contains("role:master")
    }
}

async fn look(node: &RedisNode) -> Seen {
    let mut questions = redis::pipe();
    for question in ["CLUSTER NODES", "CLUSTER INFO", "INFO replication"] {
        let (command, argument) = question.split_once(' ').unwrap();
        questions.cmd(command).arg(argument);
    }
    let answers = timeout(Duration::from_secs(1), node.query_all(&questions)).await;
    let Ok(RedisResult::<[String; 3]>::Ok([nodes, info, replication])) = answers else {
        return Seen::Silent;
    };
    Seen::Answers(View::read(&nodes, &info, &replication).unwrap())
}

fn took_over(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::TakeOver { .. }))
}

/// A cluster of three shards whose first two masters `fall` silent at once: waits until their replicas
/// serve, and says how long it took. Without a process, as with a frozen one, nobody tells that it is
/// lost.
async fn lose_the_majority(fall: impl Fn(&mut RedisNode)) -> Cluster {
    let mut cluster = Cluster::form(3, 1).await;
    cluster.ends_are_unknown = true;
    for node in &cluster.nodes {
        // As on Kubernetes.
        node.command::<()>("CONFIG SET cluster-node-timeout 5000").await;
    }
    let begun = Instant::now();
    for lost in [0, 2] {
        fall(&mut cluster.nodes[lost]);
    }
    let serve = "the replicas of the lost masters serve";
    let steps = cluster.tend_until(serve, async |it, _| it.serves_by(&[1, 3, 4, 5]).await).await;
    println!("two masters of three lost: all slots are served after {:.1?}", begun.elapsed());
    // The second one may be voted on, now that two of three masters live.
    let without_vote =
        |step: &Step| matches!(step, Step::TakeOver { because: NoVote::MajorityLost, .. });
    assert!(!steps.is_empty() && steps.iter().all(without_vote), "{steps:#?}");
    cluster
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
    // Another address, as on Kubernetes: the replica does not get an empty copy of the stranger.
    cluster.nodes[5].command::<()>("CONFIG SET masterauth elsewhere").await;
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

#[tokio::test]
async fn the_replicas_of_a_killed_majority_take_over_and_strangers_follow_them() {
    let mut cluster = lose_the_majority(RedisNode::kill).await;
    for lost in [0, 2] {
        cluster.nodes[lost].restart(false).await;
    }
    cluster.settle().await;
    assert!(cluster.is_master(1).await && cluster.is_master(3).await);
}

#[tokio::test]
async fn a_frozen_majority_that_thaws_follows_those_that_took_over() {
    let mut cluster = lose_the_majority(|node| node.pause()).await;
    let ids = [cluster.id(1).await, cluster.id(3).await];
    for lost in [0, 2] {
        cluster.nodes[lost].resume();
    }
    let steps = cluster.settle().await;
    assert_eq!(steps, [], "they hear of it by themselves");
    for (lost, heir) in [(0, 1), (2, 3)] {
        assert!(!cluster.is_master(lost).await && cluster.is_master(heir).await);
    }
    assert_eq!(ids, [cluster.id(1).await, cluster.id(3).await]);
}
