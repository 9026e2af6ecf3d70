//! What the operator needs beside many ChatClusters and much else: memory, and what it asks of the API
//! server while nothing happens.
//!
//! API server, etcd and controllers are real. Pods are bound and become ready by a kubelet that is played;
//! the Redis nodes of the first [`world::PER_NAMESPACE`] ChatClusters are processes, all others have pods
//! whose Redis does not answer. The floor is a program that holds the same objects in the same types.

mod floor;
mod operator;
mod report;
mod world;

use std::time::{Duration, Instant};

use chatcluster_testkit::wait_until;
use tokio::time::sleep;

pub(crate) use floor::hold;
use operator::Operator;
use report::{Objects, Report, mib};
use world::World;

/// Nothing is written for so long: it has come to rest.
const REST: Duration = Duration::from_secs(20);
/// What happens in it is what happens in every idle minute.
const MINUTE: Duration = Duration::from_secs(60);
/// For a change of everything, on a machine that others use, too.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Tells how far it is, since it takes long.
struct Progress(Instant);

impl Progress {
    #[allow(clippy::print_stderr, reason = "progress, beside the report on standard output")]
    fn say(&self, what: &str) {
        eprintln!("{:5.0} s: {what}", self.0.elapsed().as_secs_f64());
    }
}

/// Measures beside `foreign` objects, with `clusters` ChatClusters.
pub(crate) async fn measure(clusters: usize, foreign: usize) -> anyhow::Result<Report> {
    let progress = Progress(Instant::now());
    progress.say("starting an API server");
    let mut world = World::start().await?;
    progress.say(&format!("creating {foreign} objects that are nobody's"));
    world.create_foreign(foreign).await?;
    let mut operator = Operator::start(&world.operators_kubeconfig()?).await?;
    sleep(REST).await;
    let alone = operator.memory()?;
    progress.say(&format!("the operator takes {} without ChatClusters", mib(alone)));

    progress.say(&format!("creating {clusters} ChatClusters"));
    let creating = Instant::now();
    world.create_chatclusters(clusters).await?;
    wait_until("every ChatCluster has what it wants", PATIENCE, async || {
        let (whole, working) = world.progress().await.unwrap_or_default();
        progress.say(&format!("{whole} are Ready, of {working} more all pods are"));
        sleep(Duration::from_secs(5)).await;
        whole >= world.real() && whole + working >= clusters
    })
    .await;
    let created_in = creating.elapsed();
    progress.say("waiting until the operator comes to rest");
    come_to_rest(&operator).await;

    progress.say("an idle minute");
    let idle = idle_minute(&world, &operator).await?;
    let (steady, peak) = (operator.memory()?, operator.peak());
    progress.say(&format!("the operator takes {}, at most {} so far", mib(steady), mib(peak)));
    progress.say(&idle.to_string());

    progress.say("starting the operator anew");
    drop(operator);
    operator = Operator::start(&world.operators_kubeconfig()?).await?;
    operator.looks_after(clusters, PATIENCE).await;
    come_to_rest(&operator).await;
    let (again_steady, again_peak) = (operator.memory()?, operator.peak());
    progress.say(&format!("now it takes {}, at most {}", mib(again_steady), mib(again_peak)));
    drop(operator);

    progress.say("holding the same objects in the least program");
    let objects = Objects::read(&world.kubeconfig())?;
    Ok(Report {
        clusters,
        real: world.real(),
        foreign,
        objects,
        alone,
        steady,
        peak,
        again_steady,
        again_peak,
        created_in,
        idle,
    })
}

async fn come_to_rest(operator: &Operator) {
    let mut before = f64::NAN;
    wait_until("the operator writes nothing", PATIENCE, async || {
        sleep(REST).await;
        let now = operator.figure("chatcluster_operator_writes_total").await.unwrap_or(f64::NAN);
        std::mem::replace(&mut before, now) == now
    })
    .await;
}

async fn idle_minute(world: &World, operator: &Operator) -> anyhow::Result<report::Idle> {
    let reconciles = async || operator.sum("chatcluster_operator_reconciles_total").await;
    let (requests, cpu, looks) = (world.requests(), operator.cpu()?, reconciles().await?);
    let begun = Instant::now();
    sleep(MINUTE).await;
    let (cpu, looks) = (operator.cpu()? - cpu, reconciles().await? - looks);
    let took = begun.elapsed().as_secs_f64();
    let requests = world.requests().split_off(requests.len());
    Ok(report::Idle { requests, cpu: cpu / took, reconciles: looks / took })
}
