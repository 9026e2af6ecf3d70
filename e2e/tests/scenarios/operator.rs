//! The operator under test: installed by Helm, once for all scenarios of a run.

use std::{path::Path, process::Command, sync::Once};

use chatcluster_e2e::helm;

use crate::{images::named, world::World};

/// Where it runs.
pub(crate) const NAMESPACE: &str = "chatcluster-system";

/// Its release, its Deployment, and its Lease.
pub(crate) const NAME: &str = "chatcluster-operator";

/// Installs it from the chart, or upgrades it to what this tree has. Blocks.
pub(crate) fn install(world: &World) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| helm_upgrade(world, &[]));
}

/// `helm upgrade --install`, with more values.
pub(crate) fn helm_upgrade(world: &World, values: &[&str]) {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/chatcluster-operator");
    let (repository, tag) = named("chatcluster");
    let (redis, redis_tag) = named("redis");
    let mut helm = Command::new(helm().built().expect("Helm"));
    helm.args(["upgrade", "--install", NAME]).arg(chart).args([
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--wait",
        "--timeout=120s",
        &format!("--set=image.repository={repository}"),
        &format!("--set=image.tag={tag}"),
        &format!("--set=redis.image={redis}:{redis_tag}"),
    ]);
    helm.args(values.iter().map(|value| format!("--set={value}")));
    helm.env("KUBECONFIG", world.kubeconfig());
    let output = helm.output().expect("run Helm");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{helm:?}: {said}");
}
