//! What was found, for people.

use std::{collections::BTreeMap, fmt, path::Path, process::Command, time::Duration};

use anyhow::Context;
use chatcluster_e2e::Request;
use serde::{Deserialize, Serialize};

/// Memory beyond what the owned objects take, in bytes.
const GOAL: f64 = 128.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;

/// Bytes, for people.
pub(super) fn mib(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / MIB)
}

/// What there is of one kind.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kind {
    pub(super) kind: String,
    pub(super) objects: usize,
    /// As JSON.
    pub(super) bytes: usize,
}

/// What the operator has to hold.
#[derive(Debug, Deserialize)]
pub(super) struct Objects {
    /// What it takes the floor to hold it, in bytes.
    memory: f64,
    kinds: Vec<Kind>,
}

impl Objects {
    /// Has the floor hold them in a process of its own.
    pub(super) fn read(kubeconfig: &Path) -> anyhow::Result<Self> {
        let mut floor = Command::new(std::env::current_exe()?);
        let output = floor.arg("hold").arg(kubeconfig).output()?;
        let what = || format!("the floor: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).with_context(what)
    }
}

/// What went on in a minute in which nothing changed.
pub(super) struct Idle {
    pub(super) requests: Vec<Request>,
    /// CPUs used.
    pub(super) cpu: f64,
    /// Reconciles in a second.
    pub(super) reconciles: f64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut requests = BTreeMap::<_, usize>::new();
        for Request { verb, resource, .. } in &self.requests {
            *requests.entry(format!("{verb} {resource}")).or_default() += 1;
        }
        let requests: Vec<_> = requests.iter().map(|(what, n)| format!("{what} {n}")).collect();
        write!(
            f,
            "In an idle minute: {} requests to the API server ({}), {:.0} reconciles a second, {:.0} % \
             of a CPU.",
            self.requests.len(),
            requests.join(", "),
            self.reconciles,
            self.cpu * 100.0,
        )
    }
}

/// All of it; memory in bytes.
pub(crate) struct Report {
    pub(super) clusters: usize,
    pub(super) real: usize,
    pub(super) foreign: usize,
    pub(super) objects: Objects,
    pub(super) alone: f64,
    pub(super) steady: f64,
    pub(super) peak: f64,
    pub(super) again_steady: f64,
    pub(super) again_peak: f64,
    pub(super) created_in: Duration,
    pub(super) idle: Idle,
}

impl Report {
    /// Whether the operator stays within the goal, at its peaks, too.
    pub(crate) fn goal_met(&self) -> bool {
        let most = [self.steady, self.peak, self.again_steady, self.again_peak];
        most.into_iter().all(|memory| memory - self.objects.memory <= GOAL)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clusters, real, foreign, objects, idle, .. } = self;
        let within = self.created_in.as_secs_f64();
        writeln!(
            f,
            "{clusters} ChatClusters, {real} of them with real Redis nodes, beside {foreign} objects \
             of others; created and come to rest within {within:.0} s.\n"
        )?;
        writeln!(f, "| owned | objects | as JSON, KiB each |\n|---|---|---|")?;
        for Kind { kind, objects, bytes } in &objects.kinds {
            let each = *bytes as f64 / 1024.0 / (*objects).max(1) as f64;
            writeln!(f, "| {kind} | {objects} | {each:.1} |")?;
        }
        let count: usize = objects.kinds.iter().map(|kind| kind.objects).sum();
        let bytes: usize = objects.kinds.iter().map(|kind| kind.bytes).sum();
        writeln!(f, "| all | {count} | {:.1} |\n", bytes as f64 / 1024.0 / count.max(1) as f64)?;

        writeln!(f, "| memory, MiB | all | beyond the owned objects | goal |\n|---|---|---|---|")?;
        writeln!(
            f,
            "| the owned objects, held by the least program | {:.0} | | |",
            objects.memory / MIB
        )?;
        writeln!(f, "| operator without ChatClusters | {:.0} | | |", self.alone / MIB)?;
        let rows = [
            ("operator, while all are created, at most", self.peak),
            ("operator, idle after that", self.steady),
            ("operator, while it starts, at most", self.again_peak),
            ("operator, idle after that", self.again_steady),
        ];
        for (what, memory) in rows {
            let beyond = (memory - objects.memory) / MIB;
            writeln!(f, "| {what} | {:.0} | **{beyond:.0}** | {:.0} |", memory / MIB, GOAL / MIB)?;
        }

        writeln!(f, "\n{idle}")
    }
}
