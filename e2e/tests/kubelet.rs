//! The kubelet for tests: pods run as far as a test needs them to.
#![allow(clippy::unwrap_used)] // in the helpers too

use std::time::{Duration, Instant};

use chatcluster_e2e::{ApiServer, Kubelet, KubeletOptions, Namespace};
use chatcluster_testkit::{wait_for, wait_until};
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

/// Three times what the slowest of these waits took on two busy cores, and more.
const SOON: Duration = Duration::from_secs(60);

/// A pod with one container.
fn pod(name: &str, container: &str) -> Pod {
    let container = json!({ "name": container, "image": "never-pulled" });
    let pod = json!({
        "metadata": { "name": name, "labels": { "name": name } },
        "spec": { "containers": [container], "terminationGracePeriodSeconds": 5 },
    });
    serde_json::from_value(pod).unwrap()
}

/// A pod with a Redis node of our own settings: its container's paths, variables and ports matter.
fn redis(name: &str) -> Pod {
    let of_pod = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let mut pod = pod(name, "redis");
    let spec = json!({ "containers": [{
        "name": "redis",
        "image": "never-pulled",
        "command": ["sh", "-c"],
        "args": ["exec redis-server /etc/redis/redis.conf --bind $POD_IP --logfile /data/$POD_NAME"],
        "env": [of_pod("POD_IP", "status.podIP"), of_pod("POD_NAME", "metadata.name")],
        "ports": [{ "containerPort": 6379 }],
        "volumeMounts": [
            { "name": "config", "mountPath": "/etc/redis" },
            { "name": "data", "mountPath": "/data" },
        ],
    }], "volumes": [
        { "name": "config", "configMap": { "name": "redis" } },
        { "name": "data", "emptyDir": {} },
    ], "terminationGracePeriodSeconds": 5 });
    pod.spec = serde_json::from_value(spec).unwrap();
    pod
}

async fn create_config(namespace: &Namespace) {
    let text = "port 6379\ndir /data\nsave \"\"\nprotected-mode no\n";
    let map = json!({ "metadata": { "name": "redis" }, "data": { "redis.conf": text } });
    let maps = namespace.api::<ConfigMap>();
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Waits until a pod is ready, and returns its address.
async fn address(pods: &Api<Pod>, name: &str) -> String {
    wait_for(&format!("{name} is ready"), SOON, async || {
        let pod = pods.get(name).await.unwrap();
        is_ready(&pod).then(|| pod.status.unwrap().pod_ip.unwrap())
    })
    .await
}

async fn delete(pods: &Api<Pod>, name: &str) {
    pods.delete(name, &DeleteParams::default()).await.unwrap();
    let gone = async || pods.get_opt(name).await.unwrap().is_none();
    wait_until(&format!("{name} is gone"), SOON, gone).await;
}

async fn ask(address: &str, command: &str) -> redis::RedisResult<String> {
    let client = redis::Client::open(format!("redis://{address}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd(command).query_async(&mut connection).await
}

#[tokio::test]
async fn a_redis_pod_is_a_process_that_restarts_when_it_dies_and_ends_with_its_pod() {
    let server = ApiServer::shared();
    let namespace = server.namespace("redis").await;
    let kubelet = Kubelet::start(server, &namespace, KubeletOptions::default());
    let pods = namespace.api::<Pod>();
    pods.create(&PostParams::default(), &redis("early")).await.unwrap();
    delete(&pods, "early").await;
    for name in ["one", "two"] {
        pods.create(&PostParams::default(), &redis(name)).await.unwrap();
    }
    create_config(&namespace).await;
    let (one, two) = (address(&pods, "one").await, address(&pods, "two").await);
    assert_ne!(one, two);
    assert_eq!(ask(&one, "PING").await.unwrap(), "PONG");

    let _ = ask(&one, "SHUTDOWN").await;
    wait_until("it has been started again, in its place", SOON, async || {
        let status = pods.get("one").await.unwrap().status.unwrap();
        status.container_statuses.unwrap()[0].restart_count == 1 && ask(&one, "PING").await.is_ok()
    })
    .await;

    delete(&pods, "one").await;
    assert!(ask(&one, "PING").await.is_err());
    drop(kubelet);
    assert!(ask(&two, "PING").await.is_err());
}

#[tokio::test]
async fn a_lost_node_ends_its_processes_and_answers_to_no_deletion() {
    let server = ApiServer::shared();
    let namespace = server.namespace("lost").await;
    let place = |pod: &Pod| Some(usize::from(pod.name_any() == "two"));
    let options = KubeletOptions { place, ..KubeletOptions::default() };
    let kubelet = Kubelet::start(server, &namespace, options);
    let pods = namespace.api::<Pod>();
    create_config(&namespace).await;
    for name in ["one", "two"] {
        pods.create(&PostParams::default(), &redis(name)).await.unwrap();
    }
    let (one, two) = (address(&pods, "one").await, address(&pods, "two").await);
    let begun = Instant::now();
    kubelet.lose_node(&kubelet.nodes()[0]);
    wait_until("its process is gone", SOON, async || ask(&one, "PING").await.is_err()).await;
    wait_until("the controller says that it is not ready", SOON, async || {
        !is_ready(&pods.get("one").await.unwrap())
    })
    .await;
    println!("the pod of a lost node is not ready after {:.1?}", begun.elapsed());
    pods.delete("one", &DeleteParams::default()).await.unwrap();
    delete(&pods, "two").await;
    assert!(ask(&two, "PING").await.is_err());
    assert!(pods.get_opt("one").await.unwrap().is_some());

    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    pods.delete("one", &at_once).await.unwrap();
    pods.create(&PostParams::default(), &redis("one")).await.unwrap();
    address(&pods, "one").await;
    let node = pods.get("one").await.unwrap().spec.unwrap().node_name.unwrap();
    assert_ne!(node, kubelet.nodes()[0]);
}

#[tokio::test]
async fn readiness_can_be_held_back_and_taken_back() {
    let server = ApiServer::shared();
    let namespace = server.namespace("held").await;
    let kubelet = Kubelet::start(server, &namespace, KubeletOptions::default());
    let pods = namespace.api::<Pod>();
    kubelet.hold_readiness(|pod| pod.name_any() == "held");
    for name in ["held", "free"] {
        pods.create(&PostParams::default(), &pod(name, "any")).await.unwrap();
    }
    address(&pods, "free").await;
    wait_until("the held one runs", SOON, async || {
        pods.get("held").await.unwrap().status.unwrap().phase.as_deref() == Some("Running")
    })
    .await;
    assert!(!is_ready(&pods.get("held").await.unwrap()));
    kubelet.hold_readiness(|pod| pod.name_any() == "free");
    address(&pods, "held").await;
    wait_until("the other one is not ready any more", SOON, async || {
        !is_ready(&pods.get("free").await.unwrap())
    })
    .await;
}

#[tokio::test]
async fn a_thousand_pods_come_and_go() {
    const PODS: usize = 1000;
    let server = ApiServer::shared();
    let namespace = server.namespace("thousand").await;
    let _kubelet = Kubelet::start(server, &namespace, KubeletOptions::default());
    let pods = namespace.api::<Pod>();
    let begun = Instant::now();
    let create = |number: usize| {
        let pods = pods.clone();
        async move {
            let pod = pod(&format!("pod-{number}"), "any");
            pods.create(&PostParams::default(), &pod).await.map(drop)
        }
    };
    let created = stream::iter(0..PODS).map(create).buffer_unordered(32);
    created.try_collect::<()>().await.unwrap();
    println!("{PODS} pods are created after {:.1?}", begun.elapsed());
    let count = async |of: fn(&Pod) -> bool| {
        let pods = pods.list(&ListParams::default()).await.unwrap();
        pods.iter().filter(|pod| of(pod)).count()
    };
    wait_until("all are ready", 3 * SOON, async || count(is_ready).await == PODS).await;
    println!("and ready after {:.1?}", begun.elapsed());
    let begun = Instant::now();
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    wait_until("all are gone", 3 * SOON, async || count(|_| true).await == 0).await;
    println!("and gone {:.1?} after they were told to", begun.elapsed());
}
