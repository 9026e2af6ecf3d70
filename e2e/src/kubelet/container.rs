//! A container that is really run, as a process on this machine.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use chatcluster_testkit::{Process, redis::redis_server};
use k8s_openapi::api::core::v1::{Container as Spec, EnvVar, Pod};
use kube::ResourceExt;
use nix::sys::signal::Signal;
use tokio::{
    net::TcpStream,
    sync::watch::Receiver,
    time::{Instant, sleep, timeout},
};

use super::{orders::Orders, volumes::Volumes, writer::Writer};

/// The name of the containers that are run.
const NAME: &str = "redis";

/// Between two looks whether a process has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// On loopback, whoever listens answers at once.
const PATIENCE: Duration = Duration::from_millis(500);

/// A running container. Its processes end when it is dropped.
pub(super) struct Container {
    process: Process,
    command: Command,
    address: Ipv4Addr,
    ports: Vec<u16>,
    /// Say whether the test has failed.
    orders: Receiver<Orders>,
    _volumes: Volumes,
}

/// The container of a pod that can be run.
pub(super) fn of(pod: &Pod) -> Option<&Spec> {
    pod.spec.as_ref()?.containers.iter().find(|container| container.name == NAME)
}

/// Where it listens.
pub(super) fn ports(container: &Spec) -> Vec<u16> {
    let ports = container.ports.iter().flatten();
    ports.filter_map(|port| u16::try_from(port.container_port).ok()).collect()
}

impl Container {
    /// Starts it on an address.
    pub(super) async fn start(
        folder: &Path,
        writer: &Writer,
        pod: &Pod,
        spec: &Spec,
        address: Ipv4Addr,
        orders: Receiver<Orders>,
    ) -> Self {
        let volumes = Volumes::make(folder, writer, pod, spec).await;
        let command = command(pod, spec, address, &volumes);
        let process = Process::start_below(folder, &pod.name_any(), &command);
        Self { process, command, address, ports: ports(spec), orders, _volumes: volumes }
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Starts it again, in its place and with the same folders.
    pub(super) fn restart(&mut self) {
        self.process.restart(&self.command, true);
    }

    /// Whether something listens on all its ports.
    pub(super) async fn answers(&self) -> bool {
        for port in &self.ports {
            let connected = timeout(PATIENCE, TcpStream::connect((self.address, *port))).await;
            if !matches!(connected, Ok(Ok(_))) {
                return false;
            }
        }
        true
    }

    /// Asks it to end, and ends it when the time is over.
    pub(super) async fn stop(mut self, within: Duration) {
        let end = Instant::now() + within;
        self.process.signal(Signal::SIGTERM);
        while self.ended().is_none() && Instant::now() < end {
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Container {
    #[allow(clippy::print_stderr, reason = "the test has failed and this is its explanation")]
    fn drop(&mut self) {
        if self.orders.borrow().failed {
            eprintln!("--- {}:\n{}\n---", self.process.name(), self.process.last_words());
        }
    }
}

/// The pod's own command, with paths on this machine, variables filled in, and our redis-server first in
/// PATH.
fn command(pod: &Pod, spec: &Spec, address: Ipv4Addr, volumes: &Volumes) -> Command {
    let mut words =
        spec.command.iter().chain(&spec.args).flatten().map(|word| volumes.inside(word));
    let program = words.next();
    let program = program.unwrap_or_else(|| panic!("{} has no command", pod.name_any()));
    let mut command = Command::new(program);
    command.args(words);
    let redis = redis_server();
    let folders = redis.parent().into_iter().map(Into::into);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path)));
    command.env("PATH", path.expect("a PATH with the folder of redis-server"));
    for variable in spec.env.iter().flatten() {
        command.env(&variable.name, value(pod, variable, address.into()));
    }
    command
}

fn value(pod: &Pod, variable: &EnvVar, address: IpAddr) -> String {
    let of_pod = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
    match of_pod.map(|field| field.field_path.as_str()) {
        Some("metadata.name") => pod.name_any(),
        Some("metadata.namespace") => pod.namespace().unwrap_or_default(),
        Some("status.podIP") => address.to_string(),
        Some(other) => panic!("the kubelet does not know {other}, which {} wants", pod.name_any()),
        None => variable.value.clone().unwrap_or_default(),
    }
}
