//! How long it takes to find out that three nodes have the same, and to fill one that has lost its disk.

use std::time::{Duration, Instant};

use anyhow::Context;
use chatcluster_erlang::Term;
use messages_core::repair::{Pass, Progress};

use super::{Island, PATIENCE};
use crate::table::{Better, Row, Table, median};

/// Of the rounds so far.
#[derive(Default)]
pub(super) struct Found {
    /// Records a second.
    compared: Vec<f64>,
    filled: Vec<f64>,
    records: i64,
}

impl Island {
    /// Compares the nodes, and has one lose its disk.
    pub(super) async fn repair(&mut self, found: &mut Found) -> anyhow::Result<()> {
        found.records = self.records().await?;
        // The first one gives what some call has not waited for.
        self.pass().await?;
        let began = Instant::now();
        let done = self.pass().await?;
        anyhow::ensure!(done.differed == 0, "nodes at rest differ: {done:?}");
        found.compared.push(found.records as f64 / began.elapsed().as_secs_f64());

        let (node, folder) = self.nodes.last_mut().context("three nodes")?;
        node.process().kill();
        std::fs::remove_dir_all(folder.path().join("data"))?;
        node.restart(true);
        let end = Instant::now() + PATIENCE;
        loop {
            if self.quorum.attend().await.is_ok_and(|there| there.joining.len() == 1) {
                break;
            }
            anyhow::ensure!(Instant::now() < end, "a node without a disk does not come back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let began = Instant::now();
        let done = self.pass().await?;
        anyhow::ensure!(done.filled.len() == 1, "it was not filled: {done:?}");
        found.filled.push(done.given as f64 / began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Without a pause.
    async fn pass(&self) -> anyhow::Result<Progress> {
        let mut pass = Pass::new(self.nodes.len());
        while pass.step(&self.quorum, 0).await? {}
        Ok(pass.progress().clone())
    }

    /// How many records a node has.
    async fn records(&self) -> anyhow::Result<i64> {
        let info = self.info().await?;
        let Some(Term::Map(tables)) = info.get("records") else {
            anyhow::bail!("no count in {info:?}")
        };
        let counts = tables.iter().map(|(_, count)| match count {
            Term::Integer(count) => *count,
            _ => 0,
        });
        Ok(counts.sum())
    }
}

pub(super) fn report(table: &mut Table, found: Found) {
    let Found { compared, filled, records } = found;
    for (what, rounds) in [
        ("records a second, compared on three database nodes that have the same", compared),
        ("records a second, given to a database node that has lost its disk", filled),
    ] {
        table.add(Row {
            what: what.into(),
            floor: None,
            measured: format!("{:.0}/s, of {records}", median(&rounds)),
            rounds,
            better: Better::Higher,
            goal: None,
        });
    }
}
