//! Plays scheduler and kubelet in one namespace of an [`ApiServer`], where nobody else runs pods.
//!
//! Pods are bound to nodes and become ready. A pod with a container `redis` is really run, as processes
//! with the pod's own command, variables and ConfigMaps on a loopback address of its own; of all others
//! only the status is written. Each pod has a task for its life ([`life`]), what is done to the API is
//! bounded ([`writer`]), and the nodes are objects with a heartbeat, so that the controllers do with them
//! what they do with real ones ([`nodes`]).
//!
//! It all happens on a thread of its own, which is what the processes are tied to. Their files are in the
//! API server's folder, and go with that.

mod address;
mod container;
mod life;
mod nodes;
mod orders;
mod places;
mod status;
mod volumes;
mod watch;
mod writer;

use std::{fmt, sync::mpsc, thread};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use orders::Orders;
use tokio::{sync::watch::Sender, task::LocalSet};

use crate::{ApiServer, Namespace};

/// How pods are placed and run.
#[derive(Clone, Copy)]
pub struct Options {
    /// How many nodes there are.
    pub nodes: usize,
    /// Which node a pod goes to, counted from 0, if that matters; else one with the fewest pods. If the
    /// node is lost, another one.
    pub place: fn(&Pod) -> Option<usize>,
    /// Whether a pod with a container `redis` is really run.
    pub really: fn(&Pod) -> bool,
}

impl Default for Options {
    /// Three nodes, and every Redis runs.
    fn default() -> Self {
        Self { nodes: 3, place: |_| None, really: |_| true }
    }
}

/// A running kubelet. Drop it before its namespace. When the test has failed, the last words of the
/// processes are shown.
pub struct Kubelet {
    orders: Sender<Orders>,
    nodes: Vec<String>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Kubelet {
    /// Starts to play, with nodes that are there when this returns.
    pub fn start(server: &ApiServer, namespace: &Namespace, options: Options) -> Self {
        let names = (0..options.nodes).map(|node| format!("{}-{node}", namespace.name()));
        let nodes: Vec<_> = names.collect();
        let (orders, heard) = tokio::sync::watch::channel(Orders::default());
        let (config, name) = (server.config(), namespace.name().to_owned());
        let folder = server.folder().to_owned();
        let (begun, beginning) = mpsc::sync_channel(1);
        let there = nodes.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("make a runtime for the kubelet");
            LocalSet::new().block_on(&runtime, async {
                let begin = async {
                    let client = kube::Client::try_from(config).context("make a client")?;
                    nodes::create(&client, &there).await.context("create the nodes")?;
                    Result::<_>::Ok(client)
                };
                match begin.await {
                    Ok(client) => {
                        let _ = begun.send(Ok(()));
                        watch::run(client, &name, there, options, folder, heard).await;
                    }
                    Err(error) => drop(begun.send(Err(error))),
                }
            });
        });
        let begun = beginning.recv().context("its thread panicked").and_then(|begun| begun);
        begun.unwrap_or_else(|e| panic!("no kubelet in {}: {e:#}", namespace.name()));
        Self { orders, nodes, thread: Some(thread) }
    }

    /// The names of the nodes.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// A node dies: its processes end by SIGKILL, and from now on nobody there answers to anything. The
    /// API says so at once, as if the controllers had waited for its heartbeat in vain.
    pub fn lose_node(&self, name: &str) {
        let node = self.nodes.iter().position(|node| node == name);
        let node = node.unwrap_or_else(|| panic!("{name} is none of {:?}", self.nodes));
        self.orders.send_modify(|orders| orders.lost.extend([node]));
    }

    /// Pods of which this says so are not ready, whatever they do, until something else is said.
    pub fn hold_readiness(&self, of: fn(&Pod) -> bool) {
        self.orders.send_modify(|orders| orders.held = of);
    }
}

impl fmt::Debug for Kubelet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubelet").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        let failed = thread::panicking();
        self.orders.send_modify(|orders| (orders.stop, orders.failed) = (true, failed));
        let ended = self.thread.take().map(thread::JoinHandle::join);
        if matches!(ended, Some(Err(_))) && !failed {
            panic!("the kubelet of {:?} panicked", self.nodes);
        }
    }
}
