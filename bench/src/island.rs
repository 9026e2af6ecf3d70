//! An island of three database nodes: messages that are stored by a majority, synced.
//!
//! The services' side of it runs here: what a message comes to is decided three times, once for each node. Nodes,
//! decisions and the measuring share this machine's cores and its disk, so the disk's own figure stands beside it.

mod repair;

use std::time::{Duration, Instant};

use anyhow::Context;
use chatcluster_erlang::{Node, Settings, Term};
use chatcluster_messages::{
    Metrics,
    mnesia::{Mnesia, Removal},
    wall_clock,
};
use chatcluster_protocol::{
    client::{Body, ContentType},
    id::{DeviceId, Identity, MessageId, Reference, Stamp, UserId},
};
use chatcluster_testkit::erlang::{COOKIE, ErlangNode, TICK_TIME};
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use messages_core::{
    record::{Archived, To},
    repository::{Append, Quorum, Repository},
};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use crate::{
    deadline::within,
    table::{Better, Goal, Row, Table, median},
    usage,
};

/// Messages in one call of the repository.
const BATCHES: [usize; 4] = [1, 16, 128, 512];
/// Calls under way.
const DEPTH: usize = 8;
/// Bytes of a message's body.
const BODY: usize = 200;
/// How long each batch size is looked at in a round.
const LOOK: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);
/// Records a second, written or removed.
const GOAL: Goal = Goal::reported(50e3, 65e3);

struct Island {
    nodes: Vec<(ErlangNode, TempDir)>,
    /// Beside the replicas, to ask for counts.
    first: Node,
    quorum: Quorum<Mnesia>,
    /// Pairs of users that have written so far.
    pairs: usize,
}

#[derive(Default)]
struct Found {
    /// A second.
    messages: Vec<f64>,
    records: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Microseconds of CPU time for each message: of all nodes, and of ours.
    cpu: Vec<[f64; 2]>,
}

pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let mut island = Island::start().await?;
    let mut found: [Found; BATCHES.len()] = Default::default();
    let mut repaired = repair::Found::default();
    for _ in 0..rounds {
        for (batch, found) in BATCHES.into_iter().zip(&mut found) {
            within(PATIENCE, "storing on an island", island.round(batch, found)).await?;
        }
        within(PATIENCE, "filling a node", island.repair(&mut repaired)).await?;
    }
    for (batch, found) in BATCHES.into_iter().zip(found) {
        report(table, batch, found);
    }
    repair::report(table, repaired);
    Ok(())
}

impl Island {
    async fn start() -> anyhow::Result<Self> {
        let mut nodes = Vec::new();
        let mut replicas = Vec::new();
        for _ in 0..3 {
            let folder = tempfile::tempdir()?;
            let node = ErlangNode::start_database(&folder.path().join("data"));
            let metrics = Metrics::new(&mut Registry::default()).into();
            replicas.push(Mnesia::new(settings(&node), Removal::Tombstone, wall_clock(), metrics));
            nodes.push((node, folder));
        }
        for replica in &replicas {
            let end = Instant::now() + PATIENCE;
            while let Err(error) = replica.connected(PATIENCE).await {
                anyhow::ensure!(Instant::now() < end, "a database node does not start: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let first = Node::new(settings(&nodes[0].0));
        first.connected(PATIENCE).await?;
        let quorum = Quorum::new(replicas);
        quorum.attend().await?;
        Ok(Self { nodes, first, quorum, pairs: 0 })
    }

    async fn round(&mut self, batch: usize, found: &mut Found) -> anyhow::Result<()> {
        let pairs = self.register(batch * DEPTH).await?;
        let processes: Vec<_> =
            self.nodes.iter_mut().map(|(node, _)| node.process().id()).collect();
        usage::rest(&processes).await?;
        let (written, cpu) = (self.written().await?, cpu(&processes)?);
        let began = Instant::now();
        let writers = pairs.chunks(batch).map(|pairs| self.write(pairs, began + LOOK));
        let all: Vec<_> = stream::iter(writers).buffer_unordered(DEPTH).try_collect().await?;
        let seconds = began.elapsed().as_secs_f64();
        usage::rest(&processes).await?;
        let (records, after) = (self.written().await? - written, cpu_since(&processes, cpu)?);
        let mut times = Histogram::<u64>::new(3)?;
        for writer in &all {
            times.add(writer)?;
        }
        let messages = (times.len() * batch as u64) as f64;
        found.messages.push(messages / seconds);
        found.records.push(records as f64 / seconds);
        found.p50.push(times.value_at_quantile(0.5) as f64 / 1e3);
        found.p99.push(times.value_at_quantile(0.99) as f64 / 1e3);
        found.cpu.push(after.map(|seconds| seconds * 1e6 / messages));
        Ok(())
    }

    /// Users whose recipients have a device.
    async fn register(&mut self, count: usize) -> anyhow::Result<Vec<(UserId, UserId)>> {
        let from = self.pairs;
        self.pairs += count;
        let pair = |n: usize| -> anyhow::Result<_> {
            Ok((UserId::new(format!("sender-{n}"))?, UserId::new(format!("reader-{n}"))?))
        };
        let pairs = (from..self.pairs).map(pair).collect::<anyhow::Result<Vec<_>>>()?;
        let device = DeviceId::new("phone")?;
        let register = |(_, reader): &(UserId, UserId)| {
            self.quorum.register(reader.clone(), device.clone(), wall_clock()())
        };
        let registered = stream::iter(pairs.iter().map(register)).buffer_unordered(64);
        registered.try_for_each(|_| async { Ok(()) }).await?;
        Ok(pairs)
    }

    /// Writes a message of each pair at a time, until `end`. How long each call took, in microseconds.
    async fn write(
        &self,
        pairs: &[(UserId, UserId)],
        end: Instant,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        for n in 0.. {
            let began = Instant::now();
            if began >= end {
                break;
            }
            let appends = pairs.iter().map(|(from, to)| append(from, to, n));
            let outcomes = self.quorum.append(appends.collect::<anyhow::Result<_>>()?).await;
            for outcome in outcomes {
                outcome.context("a message was refused")?;
            }
            times.record(began.elapsed().as_micros() as u64)?;
        }
        Ok(times)
    }

    /// What the first node counts.
    async fn info(&self) -> anyhow::Result<Term> {
        Ok(self.first.call("chatcluster_node", "info", &[], PATIENCE).await?)
    }

    /// How many records the first node has written or removed.
    async fn written(&self) -> anyhow::Result<i64> {
        let info = self.info().await?;
        match info.get("writer").and_then(|writer| writer.get("written")) {
            Some(Term::Integer(written)) => Ok(*written),
            _ => anyhow::bail!("no count in {info:?}"),
        }
    }
}

fn settings(node: &ErlangNode) -> Settings {
    Settings { tick_time: TICK_TIME, ..Settings::new(node.address(), COOKIE) }
}

fn append(from: &UserId, to: &UserId, n: u64) -> anyhow::Result<Append> {
    let device = DeviceId::new("phone")?;
    let reference = Reference::new(n.to_string())?;
    let identity = Identity::of(from, &device, &reference);
    let message = Archived {
        from: from.clone(),
        device,
        reference,
        to: To::User(to.clone()),
        kind: ContentType::default(),
        body: Body::new("x".repeat(BODY))?,
    };
    // Above all that the sender has written, also within a millisecond.
    let id = MessageId::new(Stamp::new(wall_clock()(), u16::try_from(n % 4096)?), identity);
    Ok(Append { id, message })
}

/// CPU seconds so far: of the nodes, and of this process.
fn cpu(processes: &[u32]) -> anyhow::Result<[f64; 2]> {
    let nodes =
        processes.iter().map(|process| usage::cpu(*process)).sum::<anyhow::Result<f64>>()?;
    Ok([nodes, usage::cpu(std::process::id())?])
}

fn cpu_since(processes: &[u32], before: [f64; 2]) -> anyhow::Result<[f64; 2]> {
    let now = cpu(processes)?;
    Ok([now[0] - before[0], now[1] - before[1]])
}

fn report(table: &mut Table, batch: usize, found: Found) {
    let [nodes, ours] =
        [0, 1].map(|at| median(&found.cpu.iter().map(|cpu| cpu[at]).collect::<Vec<_>>()));
    table.add(Row {
        what: format!(
            "records a second on an island of three database nodes, {batch} messages in a call, {DEPTH} calls \
             under way"
        ),
        floor: None,
        measured: format!(
            "{:.0}/s: {:.0} messages; p50 {:.1} ms, p99 {:.1} ms; CPU for each message {nodes:.0} µs of the \
             nodes, {ours:.0} µs of the service",
            median(&found.records),
            median(&found.messages),
            median(&found.p50),
            median(&found.p99),
        ),
        rounds: found.records,
        better: Better::Higher,
        goal: (batch == 128).then_some(GOAL),
    });
}
