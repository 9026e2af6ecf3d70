//! Calls of an Erlang node over one connection: what lies below every read and write of Mnesia.
//!
//! The goal is absolute. A batch of writes is one call, and a node takes a few thousand batches a second; calls
//! must not be what limits it.

use std::time::{Duration, Instant};

use chatcluster_config::Role;
use chatcluster_erlang::{Node, Settings, Term};
use chatcluster_runtime::tls::{RoleCertificate, RoleConnector};
use chatcluster_testkit::{
    certificates::Certificates,
    erlang::{COOKIE, ErlangNode, TICK_TIME},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    deadline::within,
    table::{Better, Goal, Row, Table, median},
    usage,
};

const CALLS: u32 = 60_000;
/// Calls under way.
const DEPTH: usize = 256;
const PATIENCE: Duration = Duration::from_secs(60);
const GOAL: Goal = Goal::reported(30e3, 45e3);

/// A node, a connection to it, and what rounds have found.
struct Link {
    erlang: ErlangNode,
    node: Node,
    /// Calls a second.
    rates: Vec<f64>,
    /// Microseconds of CPU time for each call: of the node, and of ours.
    costs: Vec<[f64; 2]>,
}

/// Plain and over TLS, in turn.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let mut links = [Link::plain().await?, Link::tls(&certificates).await?];
    for _ in 0..rounds {
        for link in &mut links {
            within(PATIENCE, "calling an Erlang node", link.round()).await?;
        }
    }
    for (link, kind) in links.iter().zip(["plain", "TLS 1.3"]) {
        link.report(table, kind);
    }
    Ok(())
}

impl Link {
    async fn plain() -> anyhow::Result<Self> {
        let erlang = ErlangNode::start();
        Self::new(erlang, None).await
    }

    async fn tls(certificates: &Certificates) -> anyhow::Result<Self> {
        let ours = certificates.role("messages", Role::Messages)?;
        let erlang =
            ErlangNode::start_with_tls(&certificates.role("node", Role::Database)?, Role::Messages);
        let tls = Some(RoleCertificate::load(&ours)?.connector(Role::Database, &[])?);
        Self::new(erlang, tls).await
    }

    async fn new(erlang: ErlangNode, tls: Option<RoleConnector>) -> anyhow::Result<Self> {
        let settings = Settings::new(erlang.address(), COOKIE);
        let node = Node::new(Settings { tls, tick_time: TICK_TIME, ..settings });
        node.connected(PATIENCE).await?;
        Ok(Self { erlang, node, rates: Vec::new(), costs: Vec::new() })
    }

    async fn round(&mut self) -> anyhow::Result<()> {
        let processes = [self.erlang.process().id(), std::process::id()];
        usage::rest(&processes[..1]).await?;
        let cpu = || -> anyhow::Result<[f64; 2]> {
            Ok([usage::cpu(processes[0])?, usage::cpu(processes[1])?])
        };
        let before = cpu()?;
        let start = Instant::now();
        let node = &self.node;
        let call = |n: u32| async move {
            let arguments = [Term::from(i64::from(n)), Term::from(1)];
            let sum = node.call("erlang", "+", &arguments, PATIENCE).await?;
            anyhow::ensure!(sum == Term::from(i64::from(n) + 1), "a wrong sum");
            Ok(())
        };
        let calls = stream::iter((0..CALLS).map(call)).buffer_unordered(DEPTH);
        calls.try_collect::<()>().await?;
        self.rates.push(f64::from(CALLS) / start.elapsed().as_secs_f64());
        let after = cpu()?;
        self.costs.push([0, 1].map(|at| (after[at] - before[at]) * 1e6 / f64::from(CALLS)));
        Ok(())
    }

    fn report(&self, table: &mut Table, kind: &str) {
        let [node, ours] =
            [0, 1].map(|at| median(&self.costs.iter().map(|costs| costs[at]).collect::<Vec<_>>()));
        table.add(Row {
            what: format!("calls of an Erlang node a second, one connection, {kind}"),
            floor: None,
            measured: format!(
                "{:.0}/s, CPU for each {node:.0} µs of the node and {ours:.0} µs of the caller",
                median(&self.rates)
            ),
            rounds: self.rates.clone(),
            better: Better::Higher,
            goal: Some(GOAL),
        });
    }
}
