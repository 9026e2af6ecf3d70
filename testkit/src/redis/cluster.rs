//! A whole Redis Cluster.

use std::time::Duration;

use super::{NODE_TIMEOUT, RedisNode};
use crate::{wait_for, wait_until};

const SLOTS: usize = 16384;

/// Forming takes one to three seconds on an idle machine, mostly gossip.
const FORM: Duration = Duration::from_secs(60);

/// A formed cluster of real nodes. The first `masters` nodes are its masters at the start, each with
/// an even part of the slots; the others are replicas, the k-th of the master with index k mod
/// `masters`.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisNode>,
}

impl RedisCluster {
    /// How long to wait for a take-over: the silence until a node counts as failed, an election that
    /// takes about a second and may be lost once, and five times all that for a busy machine.
    pub const TAKE_OVER: Duration = Duration::from_secs(5 * (NODE_TIMEOUT.as_secs() + 4));

    /// Starts `masters` × (1 + `replicas`) nodes and forms a cluster of them.
    pub async fn start(masters: usize, replicas: usize) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..masters * (1 + replicas) {
            nodes.push(RedisNode::start().await);
        }
        let cluster = Self { nodes };
        cluster.form(masters).await;
        cluster
    }

    async fn form(&self, masters: usize) {
        let first = &self.nodes[0];
        for (i, node) in self.nodes.iter().enumerate() {
            // Distinct epochs from the start, as redis-cli does it, spare the nodes the settling.
            node.command::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", i + 1)).await;
            if i < masters {
                let (from, to) = (i * SLOTS / masters, (i + 1) * SLOTS / masters - 1);
                node.command::<()>(&format!("CLUSTER ADDSLOTSRANGE {from} {to}")).await;
            }
            node.command::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {}", first.port(), first.bus()))
                .await;
        }
        let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        self.wait_for_all("knows all others", "CLUSTER INFO", &["cluster_state:ok", &known]).await;
        for (i, replica) in self.nodes.iter().enumerate().skip(masters) {
            let master: String = self.nodes[i % masters].command("CLUSTER MYID").await;
            replica.command::<()>(&format!("CLUSTER REPLICATE {master}")).await;
        }
        for replica in &self.nodes[masters..] {
            wait_until("a replica is in sync", FORM, async || {
                let info: String = replica.command("INFO replication").await;
                info.contains("master_link_status:up")
            })
            .await;
        }
        // A failed master is only replaced when the others know its replica for one.
        let replicas = self.nodes.len() - masters;
        wait_until("every node knows the replicas", FORM, async || {
            for node in &self.nodes {
                let view: String = node.command("CLUSTER NODES").await;
                if view.matches("slave").count() != replicas {
                    return false;
                }
            }
            true
        })
        .await;
    }

    async fn wait_for_all(&self, what: &str, ask: &str, expected: &[&str]) {
        for node in &self.nodes {
            wait_until(&format!("every node {what}"), FORM, async || {
                let answer: String = node.command(ask).await;
                expected.iter().all(|part| answer.contains(part))
            })
            .await;
        }
    }

    /// `host:port` of each node.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(RedisNode::address).collect()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisNode] {
        &self.nodes
    }

    /// A node, to kill, pause or restart.
    pub fn node(&mut self, index: usize) -> &mut RedisNode {
        &mut self.nodes[index]
    }

    /// Index of the node that is master of a slot, as the node `asked` sees it. None if that is none
    /// of ours or `asked` does not answer.
    pub async fn master_of(&self, slot: u16, asked: usize) -> Option<usize> {
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        type Range = (u16, u16, (String, u16));
        let ranges: Vec<redis::Value> = self.nodes[asked].query(&ask).await.ok()?;
        ranges.into_iter().find_map(|range| {
            // Each range goes on with its replicas, as many as there are.
            let redis::Value::Array(mut parts) = range else { return None };
            parts.truncate(3);
            let redis::Value::Array(master) = &mut parts[2] else { return None };
            master.truncate(2);
            let (from, to, (_, port)) =
                redis::from_redis_value::<Range>(redis::Value::Array(parts)).ok()?;
            let index = self.nodes.iter().position(|node| node.port() == port);
            index.filter(|_| (from..=to).contains(&slot))
        })
    }

    /// Waits until a replica has everything that its master has by now; replication runs behind, by up
    /// to a second after a replica has joined.
    pub async fn in_sync(&self, master: usize, replica: usize) {
        let offset = async |index: usize, field: &str| -> Option<u64> {
            let info: String = self.nodes[index].command("INFO replication").await;
            info.lines().find_map(|line| line.strip_prefix(field)?.parse().ok())
        };
        let goal = offset(master, "master_repl_offset:").await;
        wait_until("the replica has caught up", FORM, async || {
            offset(replica, "slave_repl_offset:").await >= goal
        })
        .await;
    }

    /// Makes a replica the master of its shard at once, whether or not its master agrees, and waits
    /// until every node that runs has learnt it.
    pub async fn take_over(&mut self, replica: usize) {
        let me: String = self.nodes[replica].command("CLUSTER MYID").await;
        self.nodes[replica].command::<()>("CLUSTER FAILOVER TAKEOVER").await;
        for node in &mut self.nodes {
            if node.process().ended().is_some() {
                continue;
            }
            wait_for("every node knows the new master", Self::TAKE_OVER, async || {
                let view: String = node.command("CLUSTER NODES").await;
                view.lines().find(|line| line.starts_with(&me) && line.contains("master")).map(drop)
            })
            .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_clusters_live_side_by_side_and_each_answers_for_all_slots() {
        let (one, other) = (RedisCluster::start(2, 0).await, RedisCluster::start(1, 1).await);
        assert_eq!(one.addresses().len() + other.addresses().len(), 4);
        assert_eq!(one.master_of(0, 0).await, Some(0));
        assert_eq!(one.master_of(16383, 0).await, Some(1));
        assert_eq!(other.master_of(16383, 1).await, Some(0));
    }

    #[tokio::test]
    async fn a_replica_takes_over_when_its_master_is_killed_and_when_it_is_told_to() {
        let mut cluster = RedisCluster::start(3, 1).await;
        cluster.node(0).kill();
        wait_until("node 3 is master", RedisCluster::TAKE_OVER, async || {
            cluster.master_of(0, 1).await == Some(3)
        })
        .await;
        cluster.take_over(4).await;
        assert_eq!(cluster.master_of(8000, 2).await, Some(4));
    }

    #[tokio::test]
    async fn a_restarted_node_is_a_stranger_unless_it_keeps_its_id() {
        let mut node = RedisNode::start().await;
        let first: String = node.command("CLUSTER MYID").await;
        node.restart(true).await;
        assert_eq!(node.command::<String>("CLUSTER MYID").await, first);
        node.restart(false).await;
        assert_ne!(node.command::<String>("CLUSTER MYID").await, first);
    }
}
