//! `chatcluster-operator local` with the real programs: Redis, gateways, the message service, and `chat`.
//! Run by `cargo test --workspace`, which builds the programs beside the operator.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use chatcluster_testkit::{Process, free_port, redis::redis_server, wait_for, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// Three times what a busy machine takes to form a Redis Cluster.
const UP: Duration = Duration::from_secs(60);

const FILE: &str = "\
apiVersion: chatcluster.io/v1alpha1
kind: ChatCluster
metadata: {name: test}
spec:
  manager: {managed: {shards: 3, replicasPerShard: 0}}
";

/// A folder with the ChatCluster's file and its data.
struct Place {
    folder: TempDir,
    ports: u16,
}

impl Place {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("chatcluster.yaml"), file).unwrap();
        // Two gateways take two ports, one after the other, and backends the one before.
        let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let ports = std::iter::repeat_with(free_port).find(|port| free(port + 1) && free(port - 1));
        let ports = ports.unwrap();
        Self { folder, ports }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-operator"));
        command
            .arg("local")
            .arg(self.folder.path().join("chatcluster.yaml"))
            .arg("--data")
            .arg(self.data())
            .args(["--port-base", &self.ports.to_string()])
            .env("CHATCLUSTER_REDIS_SERVER", redis_server());
        command
    }

    fn start(&self) -> Process {
        Process::start("local", &self.command())
    }

    async fn up(&self) {
        let endpoints = self.data().join("endpoints.yaml");
        wait_until("the cluster is up", UP, async || endpoints.exists()).await;
    }

    /// Process id of a child, by its name.
    fn child(&self, name: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.data().join("run").join(format!("{name}.pid"))).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    }

    fn children(&self) -> Vec<Pid> {
        let names = ["gateway-0", "gateway-1", "messages", "redis-0", "redis-1", "redis-2"];
        names.iter().map(|name| self.child(name).unwrap_or_else(|| panic!("no {name}"))).collect()
    }

    fn chat(&self, arguments: &[&str]) -> Output {
        let chat = Path::new(env!("CARGO_BIN_EXE_chatcluster-operator")).with_file_name("chat");
        let mut command = Command::new(chat);
        command.args(arguments).arg("--data").arg(self.data());
        command.env("XDG_STATE_HOME", self.folder.path().join("state")).output().unwrap()
    }
}

fn alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn two_users_talk_over_two_gateways_and_a_stop_leaves_nothing_behind() {
    let place = Place::new(FILE);
    let mut operator = place.start();
    place.up().await;
    let endpoints = fs::read_to_string(place.data().join("endpoints.yaml")).unwrap();
    let backends = format!("http: http://127.0.0.1:{}\n", place.ports - 1);
    assert!(endpoints.contains(&backends), "{endpoints}");
    let demo = place.chat(&["demo"]);
    assert!(demo.status.success(), "{}{}", text(&demo.stdout), text(&demo.stderr));

    // A gateway that starts before the manager notices it late, and the first messages wait for that.
    let output = operator.output();
    let line = |of: &str| output.find(&format!("{of} ready")).unwrap_or_else(|| panic!("{output}"));
    assert!(line("manager    ") < line("gateway-0  ").min(line("gateway-1  ")), "{output}");

    let second = place.command().output().unwrap();
    let complaint = text(&second.stderr);
    assert!(complaint.contains(&format!("in use by pid {}", operator.id())), "{complaint}");

    let children = place.children();
    assert!(children.iter().all(|child| alive(*child)));
    operator.signal(Signal::SIGINT);
    let ended = wait_for("the operator ended", UP, async || operator.ended()).await;
    assert!(ended.success(), "{}", operator.output());
    assert!(!children.iter().any(|child| alive(*child)));
    assert!(!place.data().join("endpoints.yaml").exists());
}

#[tokio::test]
async fn a_child_that_dies_is_started_again() {
    let place = Place::new(FILE);
    let _operator = place.start();
    place.up().await;
    for name in ["gateway-1", "messages", "redis-1"] {
        let before = place.child(name).unwrap();
        kill(before, Signal::SIGKILL).unwrap();
        wait_until(&format!("{name} runs again"), UP, async || {
            place.child(name).is_some_and(|now| now != before && alive(now))
        })
        .await;
    }
    wait_until("the two can talk again", UP, async || place.chat(&["demo"]).status.success()).await;
}

#[tokio::test]
async fn a_killed_operator_leaves_no_process_and_its_data_is_found_again() {
    let place = Place::new(FILE);
    let mut operator = place.start();
    place.up().await;
    let sent = place.chat(&["send", "--user", "alice", "--to", "bob", "kept"]);
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    let children = place.children();
    operator.kill();
    wait_until("the children are gone", UP, async || !children.iter().any(|child| alive(*child)))
        .await;

    fs::remove_file(place.data().join("endpoints.yaml")).unwrap();
    let _operator = place.start();
    place.up().await;
    let history = place.chat(&["history", "--user", "bob", "--with", "alice"]);
    assert!(text(&history.stdout).contains("kept"), "{}", text(&history.stderr));
}

#[test]
fn a_wrong_file_is_refused_with_its_field_and_line() {
    let wrong = FILE.replace("manager:", "manger:");
    let refused = Place::new(&wrong).command().env("RUST_BACKTRACE", "1").output().unwrap();
    let complaint = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint.starts_with("error: ") && complaint.lines().count() == 1, "{complaint}");
    assert!(complaint.contains("spec.manger") && complaint.contains("line 5"), "{complaint}");
}

#[test]
fn an_address_of_another_machine_is_named() {
    // TEST-NET-3 of RFC 5737, which is nobody's.
    let place = Place::new(FILE);
    let refused = place.command().args(["--listen", "203.0.113.9"]).output().unwrap();
    let complaint = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint.contains("203.0.113.9 is not an address of this machine"), "{complaint}");
    assert!(!complaint.contains("--port-base"), "{complaint}");
}
