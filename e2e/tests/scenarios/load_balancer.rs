//! Clients outside of the cluster reach a service of type LoadBalancer.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use chatcluster_e2e::probe;
use chatcluster_testkit::wait_for;
use k8s_openapi::api::core::v1::Service;
use serde_json::json;

use crate::world::{SOON, World, foreign, scenario};

#[tokio::test]
#[ignore = "needs a cluster: make e2e"]
async fn the_address_of_a_load_balancer_answers_outside() {
    scenario("the address of a load balancer answers outside", 90, async |world| {
        // On the last node, so that traffic which may not leave its node has to find it.
        let node = world.nodes().await.pop();
        world.pod("server", json!({ "app": "server" }), json!({ "nodeName": node })).await;
        for policy in ["Cluster", "Local"] {
            let name = policy.to_lowercase();
            let service = json!({
                "metadata": { "name": name },
                "spec": {
                    "type": "LoadBalancer",
                    "externalTrafficPolicy": policy,
                    "selector": { "app": "server" },
                    "ports": [{ "port": 80, "targetPort": 8080 }],
                },
            });
            world.create::<Service>(service).await;
            let address = wait_for("the service has an address", SOON, async || {
                let service = world.namespace.api::<Service>().get(&name).await.unwrap();
                let ingress = service.status?.load_balancer?.ingress?;
                let first = ingress.into_iter().next()?;
                first.ip.or(first.hostname)
            })
            .await;
            let answer = wait_for(&format!("{address} answers"), SOON, async || {
                get_from_outside(world, &format!("{address}:80"))
            })
            .await;
            assert_eq!(answer, "server", "{policy}");
        }
    })
    .await;
}

/// Outside of our own cluster is a namespace beside it; outside of another's is this machine.
fn get_from_outside(world: &World, address: &str) -> Option<String> {
    if foreign().is_none() {
        let probe = probe().built().unwrap();
        return world.cluster().outside(&format!("{} get {address}", probe.display())).ok();
    }
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: e2e\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
