//! The images start where a pod may do least: as nobody, on a root file system that is read only, with
//! no capability and the runtime's filter of system calls.

use std::env;

use chatcluster_testkit::{wait_for, wait_until};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use serde_json::{Value, json};

use crate::world::{SOON, World, scenario};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn our_programs_start() {
    scenario("our programs start", 60, async |world| {
        let ours = ["chatcluster-operator", "chatcluster-gateway", "chatcluster-messages", "chat"];
        for program in ours {
            start(world, pod(program, "chatcluster", &[program, "--version"])).await;
        }
        let traffic = ["/usr/local/bin/traffic", "--version"];
        start(world, pod("traffic", "traffic", &traffic)).await;
        for program in ours.into_iter().chain(["traffic"]) {
            let said = end(world, program).await;
            assert!(said.starts_with(&format!("{program} ")), "{said}");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn redis_answers() {
    scenario("redis answers", 60, async |world| {
        let mut pod = pod("redis", "redis", &["redis-server", "--save", "", "--dir", "/data"]);
        pod["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
        let container = &mut pod["spec"]["containers"][0];
        container["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
        let ping = ["sh", "-c", r#"[ "$(redis-cli ping)" = PONG ]"#];
        container["readinessProbe"] = json!({ "exec": { "command": ping }, "periodSeconds": 1 });
        start(world, pod).await;
        wait_until("redis is ready", SOON, async || {
            let pod = world.namespace.api::<Pod>().get("redis").await.unwrap();
            let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
            conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
        })
        .await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn mnesia_starts() {
    scenario("mnesia starts", 60, async |world| {
        let program = r#"io:format("~p", [mnesia:start()]), halt()."#;
        start(world, pod("erlang", "erlang", &["erl", "-noshell", "-eval", program])).await;
        assert_eq!(end(world, "erlang").await, "ok");
    })
    .await;
}

async fn start(world: &World, pod: Value) {
    world.create::<Pod>(pod).await;
}

/// Waits for the end of a pod, and returns what it printed.
async fn end(world: &World, name: &str) -> String {
    let pods = world.namespace.api::<Pod>();
    let phase = wait_for(&format!("pod {name} has ended"), SOON, async || {
        let phase = pods.get(name).await.unwrap().status?.phase?;
        ["Succeeded", "Failed"].contains(&&*phase).then_some(phase)
    })
    .await;
    let said = pods.logs(name, &LogParams::default()).await.unwrap();
    assert_eq!(phase, "Succeeded", "{name}: {said}");
    said
}

/// Repository and tag of an image, as scripts/images names them.
pub(crate) fn named(name: &str) -> (String, String) {
    let prefix = env::var("IMAGE_PREFIX").unwrap_or("localhost".into());
    let tag = env::var("IMAGE_TAG").unwrap_or("dev".into());
    (format!("{}/{name}", prefix.trim_end_matches('/')), tag)
}

/// An image's full name.
pub(crate) fn image(name: &str) -> String {
    let (repository, tag) = named(name);
    format!("{repository}:{tag}")
}

fn pod(name: &str, image_name: &str, command: &[&str]) -> Value {
    let mut pod = restricted(name, &image(image_name));
    pod["spec"]["containers"][0]["command"] = json!(command);
    pod
}

/// A pod that Pod Security calls restricted, and whose files cannot be changed.
pub(crate) fn restricted(name: &str, image: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": name, "image": image,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
        },
    })
}
