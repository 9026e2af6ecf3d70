//! The network between the nodes: a bridge in the control plane's namespace, a cable to each other
//! one. The namespaces have no names; they end, with all that is in them, with their last process.

use anyhow::Result;

use super::layout::{CONTROL_PLANE, NODES, OUTSIDE, node_address, node_pods};
use crate::run::run;

const BRIDGE: &str = "nodes";

/// Runs a command in the network namespace of a process.
pub(crate) fn inside(holder: i32, command: &str) -> Result<String> {
    let namespace = format!("--net=/proc/{holder}/ns/net");
    let words: Vec<&str> = [&*namespace].into_iter().chain(command.split(' ')).collect();
    run("nsenter", &words)
}

/// Makes the bridge.
pub(crate) fn control_plane(holder: i32) -> Result<()> {
    for command in [
        "ip link set lo up".to_owned(),
        format!("ip link add {BRIDGE} type bridge"),
        format!("ip addr add {CONTROL_PLANE}/24 dev {BRIDGE}"),
        format!("ip link set {BRIDGE} up"),
    ] {
        inside(holder, &command)?;
    }
    for node in NODES {
        let route = format!("ip route add {} via {}", node_pods(node), node_address(node));
        inside(holder, &route)?;
    }
    Ok(())
}

/// Joins a node to the bridge, with routes to the pods of the others.
pub(crate) fn node(control_plane: i32, holder: i32, node: u8) -> Result<()> {
    cable(control_plane, holder, &node_address(node), &format!("node{node}"))?;
    for other in NODES.filter(|other| *other != node) {
        let route = format!("ip route add {} via {}", node_pods(other), node_address(other));
        inside(holder, &route)?;
    }
    Ok(())
}

/// Joins a namespace that stands for a machine outside of the cluster.
pub(crate) fn outside(control_plane: i32, holder: i32) -> Result<()> {
    cable(control_plane, holder, OUTSIDE, "outside")
}

/// Has the outside reach a LoadBalancer address through a node.
pub(crate) fn route(outside: i32, address: &str, node: &str) -> Result<()> {
    inside(outside, &format!("ip route replace {address}/32 via {node}")).map(drop)
}

fn cable(control_plane: i32, holder: i32, address: &str, name: &str) -> Result<()> {
    inside(control_plane, &format!("ip link add {name} type veth peer name eth0 netns {holder}"))?;
    inside(control_plane, &format!("ip link set {name} master {BRIDGE} up"))?;
    for command in [
        "ip link set lo up".to_owned(),
        format!("ip addr add {address}/24 dev eth0"),
        "ip link set eth0 up".to_owned(),
        format!("ip route add default via {CONTROL_PLANE}"),
    ] {
        inside(holder, &command)?;
    }
    Ok(())
}
