//! The operator under test: installed by Helm, once for all scenarios of a run.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use chatcluster_e2e::Helm;

use crate::{images::named, world::World};

/// Where it runs.
pub(crate) const NAMESPACE: &str = "chatcluster-system";

/// Its release, its Deployment, and its Lease.
pub(crate) const NAME: &str = "chatcluster-operator";

/// Whether it has what this tree has.
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// Installs it from the chart, or upgrades it to what this tree has. Blocks.
pub(crate) fn install(world: &World) {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*installed {
        helm_upgrade(world, &[]);
        *installed = true;
    }
}

/// Takes it away, if it is there. Blocks.
pub(crate) fn uninstall(world: &World) {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    helm(world, &["uninstall", NAME, "--namespace", NAMESPACE, "--ignore-not-found", "--wait"]);
    *installed = false;
}

/// `helm upgrade --install`, with more values.
pub(crate) fn helm_upgrade(world: &World, values: &[&str]) {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/chatcluster-operator");
    let (repository, tag) = named("chatcluster");
    let (redis, redis_tag) = named("redis");
    let mut arguments = ["upgrade", "--install", NAME].map(str::to_owned).to_vec();
    arguments.push(chart.display().to_string());
    arguments.extend(["--namespace", NAMESPACE, "--create-namespace"].map(str::to_owned));
    arguments.extend(["--wait", "--timeout=120s"].map(str::to_owned));
    let images = [
        format!("image.repository={repository}"),
        format!("image.tag={tag}"),
        format!("redis.image={redis}:{redis_tag}"),
    ];
    let values = images.into_iter().chain(values.iter().map(|value| (*value).to_owned()));
    arguments.extend(values.map(|value| format!("--set={value}")));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    helm(world, &arguments);
}

fn helm(world: &World, arguments: &[&str]) {
    Helm::on(world.kubeconfig()).unwrap().run(arguments).unwrap();
}
