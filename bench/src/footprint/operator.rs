//! The shipped operator as a process, and how much memory it has had at most.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use chatcluster_testkit::{Process, free_port, wait_until};

use crate::{server::ask, usage};

/// How often its memory is looked at for the peak.
const LOOK: Duration = Duration::from_millis(50);
const START: Duration = Duration::from_secs(60);

/// A running operator. Ends when dropped.
pub(super) struct Operator {
    process: Process,
    admin: SocketAddr,
    peak: Arc<AtomicU64>,
    dropped: Arc<AtomicBool>,
}

impl Operator {
    /// Starts it as the user of a kubeconfig, and waits until it works.
    pub(super) async fn start(kubeconfig: &Path) -> anyhow::Result<Self> {
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let program = std::env::current_exe()?.with_file_name("chatcluster-operator");
        let mut command = Command::new(program);
        command.env("KUBECONFIG", kubeconfig).args(["run", "--image=localhost/chatcluster:dev"]);
        command.arg(format!("--admin={admin}"));
        let process = Process::start("operator", &command);
        let (peak, dropped) = <(Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let (id, highest, enough) = (process.id(), peak.clone(), dropped.clone());
        thread::spawn(move || {
            // When it has ended there is nothing more to read.
            while let Ok(memory) = usage::memory(id)
                && !enough.load(Ordering::Relaxed)
            {
                highest.fetch_max(memory as u64, Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        });
        let operator = Self { process, admin, peak, dropped };
        wait_until("the operator works", START, async || {
            operator.figure("chatcluster_operator_leader").await.is_ok_and(|leader| leader == 1.0)
        })
        .await;
        Ok(operator)
    }

    /// Waits until it has reconciled so many ChatClusters since it started.
    pub(super) async fn looks_after(&self, clusters: usize, within: Duration) {
        wait_until("the operator has looked at every ChatCluster", within, async || {
            let known = self.figure("chatcluster_operator_chatclusters").await.unwrap_or_default();
            let looks = self.sum("chatcluster_operator_reconciles_total").await.unwrap_or_default();
            known >= clusters as f64 && looks >= clusters as f64
        })
        .await;
    }

    /// Its anonymous memory now, in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<f64> {
        usage::memory(self.process.id())
    }

    /// The most that it has had.
    pub(super) fn peak(&self) -> f64 {
        self.peak.load(Ordering::Relaxed) as f64
    }

    /// CPU time so far, in seconds.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        usage::cpu(self.process.id())
    }

    /// A figure of its `/metrics` that has no labels.
    pub(super) async fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = self.metrics().await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {name} among the metrics"))?.trim().parse()?)
    }

    /// The sum over all labels of a figure.
    pub(super) async fn sum(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = self.metrics().await?;
        let values = metrics.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        values.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?)).sum()
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        ask(self.admin, "/metrics").await
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Before the process is reaped, its number may be somebody else's after that.
        self.dropped.store(true, Ordering::Relaxed);
    }
}
