//! Starts a cluster, step by step, and says how long each took.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use chatcluster_images::{Config, Image, Tree};
use serde_json::json;

use super::{
    certificates, down,
    layout::{Layout, NODES, node_name, node_pods},
    lock::{self, Lock},
    machine,
};
use crate::{
    kubernetes,
    run::output_of,
    say,
    tools::{coredns, kube_router, probe},
};

/// How long a step may take. With a machine to itself the slowest takes 10 s.
const STEP: Duration = Duration::from_secs(120);

/// This program, in the cluster's folder.
const PROGRAM: &str = "chatcluster-e2e";

pub(crate) fn up(layout: &Layout) -> Result<()> {
    machine::check(layout)?;
    match lock::take()? {
        Lock::Held(_) => say("the cluster is up"),
        Lock::Ours(file) => {
            step("the programs are built", build)?;
            step("what was left of an earlier cluster is gone", || down::remove_leftovers(layout))?;
            let port = chatcluster_testkit::free_port();
            step("certificates and images are written", || write(layout, port))?;
            start_supervisor(layout, file, port)?;
        }
    }
    step("the API answers", || wait(|| kubectl(layout, &["get", "--raw=/readyz"])))?;
    step("nodes and add-ons are described", || describe(layout))?;
    step("the nodes are ready", || {
        wait(|| ready(layout, &["nodes", "--all", "--for=condition=Ready"]))
    })?;
    step("names are answered", || {
        let coredns = ["deployment/coredns", "-nkube-system", "--for=condition=Available"];
        wait(|| ready(layout, &coredns))
    })?;
    say(format_args!("export KUBECONFIG={}", layout.kubeconfig().display()));
    Ok(())
}

fn build() -> Result<()> {
    for program in [kubernetes(), coredns(), kube_router(), probe()] {
        program.built()?;
    }
    Ok(())
}

fn write(layout: &Layout, port: u16) -> Result<()> {
    certificates::write(layout, port)?;
    // A build may replace or remove this program while the cluster runs.
    let program = std::env::current_exe().context("find this program")?;
    fs::copy(program, layout.file(PROGRAM)).context("copy this program")?;
    // For pods that take the node's: there is nobody to ask outside of the cluster.
    layout.write("resolv.conf", "")?;
    fs::create_dir_all(layout.file("images"))?;
    let (probe, coredns) = (probe().built()?, coredns().built()?);
    let image = |name: &str, program: &Path, path: &str, arguments: &[&str]| {
        let mut files = Tree::default();
        files.add_file(path, program, true)?;
        let entrypoint = [&[path], arguments].concat().into_iter().map(str::to_owned).collect();
        let config = Config { entrypoint, ..Config::default() };
        let image = Image { name: format!("localhost/{name}:dev").parse()?, config, files };
        image.write(&layout.file(&format!("images/{name}.tar")))
    };
    image("pause", &probe, "/probe", &["pause"])?;
    image("probe", &probe, "/probe", &[])?;
    image("coredns", &coredns, "/coredns", &[])
}

/// The supervisor has the lock for its standard input, and holds it by that.
fn start_supervisor(layout: &Layout, lock: File, port: u16) -> Result<()> {
    let log = File::create(layout.file("supervisor.log")).context("make the supervisor's log")?;
    let supervisor = Command::new("setsid")
        .arg(layout.file(PROGRAM))
        .args(["supervise", &port.to_string()])
        .stdin(lock.try_clone()?)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("start the supervisor")?;
    lock::name_holder(&lock, supervisor.id())
}

fn describe(layout: &Layout) -> Result<()> {
    apply(layout, include_str!("addons.yaml"))?;
    let nodes = NODES.map(|node| {
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": node_name(node) },
            "spec": { "podCIDR": node_pods(node), "podCIDRs": [node_pods(node)] },
        })
    });
    apply(
        layout,
        &json!({ "apiVersion": "v1", "kind": "List", "items": nodes.collect::<Vec<_>>() })
            .to_string(),
    )
}

fn apply(layout: &Layout, text: &str) -> Result<()> {
    let mut child = layout
        .kubectl()?
        .args(["apply", "--server-side", "--force-conflicts", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("run kubectl")?;
    child.stdin.take().context("kubectl's pipe")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("kubectl apply: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn ready(layout: &Layout, what: &[&str]) -> Result<()> {
    kubectl(layout, &[&["wait", "--timeout=5s"], what].concat())
}

fn kubectl(layout: &Layout, arguments: &[&str]) -> Result<()> {
    output_of(layout.kubectl()?.args(arguments)).map(drop)
}

fn step(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    work().with_context(|| format!("not so: {what}"))?;
    say(format_args!("{:6.1} s  {what}", start.elapsed().as_secs_f64()));
    Ok(())
}

/// Tries again until it works, at most for the time of a step.
fn wait(mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + STEP;
    while let Err(e) = work() {
        if Instant::now() > deadline {
            return Err(e).with_context(|| format!("after {STEP:?}"));
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
