//! The services, each a process, and what they tell.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::ledger::Ledger;

/// Writers of each service.
const WRITERS: usize = 4;

#[derive(Debug)]
pub(crate) struct Fleet {
    nodes: Vec<String>,
    one_replica: bool,
    services: Vec<Child>,
    started: usize,
    ledger: Arc<Mutex<Ledger>>,
    listening: Vec<JoinHandle<()>>,
}

impl Fleet {
    /// So many services of these nodes.
    pub(crate) fn start(
        nodes: Vec<String>,
        count: usize,
        one_replica: bool,
    ) -> anyhow::Result<Self> {
        let ledger = Arc::new(Mutex::new(Ledger::new()));
        let (services, listening) = (Vec::new(), Vec::new());
        let mut fleet = Self { nodes, one_replica, services, started: 0, ledger, listening };
        for _ in 0..count {
            fleet.add()?;
        }
        Ok(fleet)
    }

    /// Starts another one, with users of its own.
    fn add(&mut self) -> anyhow::Result<()> {
        let name = format!("s{}", self.started);
        self.started += 1;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["service", "--name", &name, "--nodes", &self.nodes.join(",")]);
        command.args(["--writers", &WRITERS.to_string()]);
        command.args(self.one_replica.then_some("--one-replica"));
        let mut service =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let output = service.stdout.take().context("a service without output")?;
        let ledger = self.ledger.clone();
        self.listening.push(tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            // A line is shorter than what a pipe takes at once, so there is none without its end.
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(word) = line.parse() {
                    locked(&ledger).hears(&name, word);
                }
            }
        }));
        self.services.push(service);
        Ok(())
    }

    /// Kills one in the middle of what it does, and starts another one in its place.
    pub(crate) async fn replace(&mut self, at: usize) -> anyhow::Result<()> {
        let mut service = self.services.remove(at);
        service.kill().await?;
        self.add()
    }

    /// Kills all. Everything that they told has been heard.
    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            service.kill().await?;
        }
        for listening in self.listening.drain(..) {
            listening.await?;
        }
        Ok(())
    }

    /// An error, if one has ended by itself.
    pub(crate) fn look_after(&mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            if let Some(status) = service.try_wait()? {
                anyhow::bail!("a service has ended: {status}");
            }
        }
        Ok(())
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    pub(crate) fn count(&self) -> usize {
        self.services.len()
    }
}

fn locked(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
