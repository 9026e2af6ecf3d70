//! LoadBalancer addresses: each such service gets one, and the outside reaches it through a node that
//! is ready, and that has a pod of the service if it wants its traffic local. kube-proxy on that node
//! does the rest.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use k8s_openapi::api::{
    core::v1::{Node, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{layout::LOAD_BALANCERS, network};

/// Gives addresses to those who wait for one, and keeps the ways to them.
pub(crate) async fn assign(client: &Client, outside: i32) -> Result<()> {
    let services = Api::<Service>::all(client.clone());
    let services = services.list(&ListParams::default()).await.context("list the services")?;
    let wanting: Vec<_> = services.items.iter().filter(|service| wants(service)).collect();
    if wanting.is_empty() {
        return Ok(());
    }
    let nodes = Api::<Node>::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await.context("list the nodes")?;
    let slices = Api::<EndpointSlice>::all(client.clone());
    let slices = slices.list(&ListParams::default()).await.context("list the endpoints")?;
    let mut taken: BTreeSet<String> =
        wanting.iter().filter_map(|service| assigned(service)).map(str::to_owned).collect();
    for service in wanting {
        let address = match assigned(service) {
            Some(address) => address.to_owned(),
            None => {
                let address = first_free(&taken).context("all LoadBalancer addresses are taken")?;
                let status =
                    json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] }}});
                let namespace = service.namespace().unwrap_or_default();
                Api::<Service>::namespaced(client.clone(), &namespace)
                    .patch_status(
                        &service.name_any(),
                        &PatchParams::default(),
                        &Patch::Merge(status),
                    )
                    .await
                    .context("assign a LoadBalancer address")?;
                taken.insert(address.clone());
                address
            }
        };
        if let Some(node) = way_to(service, &nodes.items, &slices.items) {
            network::route(outside, &address, node)?;
        }
    }
    Ok(())
}

/// A service of another class is somebody else's.
fn wants(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| {
        spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none()
    })
}

fn assigned(service: &Service) -> Option<&str> {
    let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?;
    ingress.first()?.ip.as_deref()
}

fn first_free(taken: &BTreeSet<String>) -> Option<String> {
    (1..=250).map(|last| format!("{LOAD_BALANCERS}.{last}")).find(|one| !taken.contains(one))
}

/// The address of the node that takes a service's traffic.
fn way_to<'a>(service: &Service, nodes: &'a [Node], slices: &[EndpointSlice]) -> Option<&'a str> {
    let local = service
        .spec
        .as_ref()
        .is_some_and(|spec| spec.external_traffic_policy.as_deref() == Some("Local"));
    let fit = |node: &&Node| is_ready(node) && (!local || has_pod_of(service, node, slices));
    nodes.iter().find(fit).and_then(address_of)
}

fn has_pod_of(service: &Service, node: &Node, slices: &[EndpointSlice]) -> bool {
    let of_service = slices.iter().filter(|slice| {
        slice.namespace() == service.namespace()
            && slice.labels().get("kubernetes.io/service-name") == Some(&service.name_any())
    });
    of_service.flat_map(|slice| slice.endpoints.iter().flatten()).any(|endpoint| {
        let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready);
        ready != Some(false) && endpoint.node_name.as_deref() == Some(&node.name_any())
    })
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| &status.conditions).flatten();
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

fn address_of(node: &Node) -> Option<&str> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|one| one.type_ == "InternalIP").map(|one| one.address.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_handed_out_once_until_none_is_left() {
        let mut taken = BTreeSet::new();
        while let Some(address) = first_free(&taken) {
            assert!(taken.insert(address));
        }
        assert_eq!(taken.len(), 250);
        assert!(taken.contains("172.31.1.1") && taken.contains("172.31.1.250"));
    }

    #[test]
    fn local_traffic_goes_to_a_node_with_a_pod_and_all_other_to_one_that_is_ready() {
        let node = |name: &str, ready: &str| -> Node {
            serde_json::from_value(json!({
                "metadata": { "name": name },
                "status": {
                    "conditions": [{ "type": "Ready", "status": ready }],
                    "addresses": [{ "type": "InternalIP", "address": format!("at-{name}") }],
                },
            }))
            .unwrap()
        };
        let service = |policy: &str| -> Service {
            serde_json::from_value(json!({
                "metadata": { "name": "s", "namespace": "n" },
                "spec": { "externalTrafficPolicy": policy },
            }))
            .unwrap()
        };
        let slices = [serde_json::from_value(json!({
            "metadata": { "namespace": "n", "labels": { "kubernetes.io/service-name": "s" } },
            "addressType": "IPv4",
            "endpoints": [
                { "addresses": ["10.0.0.1"], "nodeName": "b", "conditions": { "ready": false } },
                { "addresses": ["10.0.0.2"], "nodeName": "c", "conditions": { "ready": true } },
            ],
        }))
        .unwrap()];
        let nodes = [node("a", "Unknown"), node("b", "True"), node("c", "True")];
        let way = |policy, slices: &[_]| way_to(&service(policy), &nodes, slices);
        assert_eq!(way("Cluster", &slices), Some("at-b"));
        assert_eq!(way("Local", &slices), Some("at-c"));
        assert_eq!(way("Local", &[]), None);
    }

    #[test]
    fn only_a_load_balancer_of_no_class_wants_an_address() {
        let service = |spec| serde_json::from_value(json!({ "spec": spec })).unwrap();
        assert!(wants(&service(json!({ "type": "LoadBalancer" }))));
        assert!(!wants(&service(json!({ "type": "ClusterIP" }))));
        assert!(!wants(&service(json!({ "type": "LoadBalancer", "loadBalancerClass": "x.y/z" }))));
    }
}
