//! Traffic on a cluster of this machine, with the real programs. Run by `cargo test --workspace`, which
//! builds them beside this one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a test says what came of its traffic")]

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chatcluster_testkit::{Process, free_port, redis::redis_server, wait_for, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// Three times what a busy machine takes to form a Redis Cluster, or to bring clients back.
const SOON: Duration = Duration::from_secs(60);

const FILE: &str = "\
apiVersion: chatcluster.io/v1alpha1
kind: ChatCluster
metadata: {name: test}
spec:
  manager: {managed: {shards: 3, replicasPerShard: 0}}
";

/// A cluster with two gateways.
struct Cluster {
    folder: TempDir,
    ports: u16,
    _operator: Process,
}

impl Cluster {
    async fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chatcluster.yaml");
        fs::write(&file, FILE).unwrap();
        // Two gateways take two ports, one after the other, and backends the one before.
        let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let ports = std::iter::repeat_with(free_port).find(|port| free(port + 1) && free(port - 1));
        let ports = ports.unwrap();
        let programs =
            Path::new(env!("CARGO_BIN_EXE_traffic")).with_file_name("chatcluster-operator");
        let mut command = Command::new(programs);
        command.arg("local").arg(file).arg("--data").arg(folder.path().join("data"));
        command.args(["--port-base", &ports.to_string()]);
        command.env("CHATCLUSTER_REDIS_SERVER", redis_server());
        let operator = Process::start("local", &command);
        let cluster = Self { folder, ports, _operator: operator };
        let endpoints = cluster.data("endpoints.yaml");
        wait_until("the cluster is up", SOON, async || endpoints.exists()).await;
        cluster
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Process id of a part, by its name.
    fn part(&self, name: &str) -> Pid {
        let text = fs::read_to_string(self.data(&format!("run/{name}.pid"))).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    }

    /// Has a part die; the operator starts it again.
    async fn kill(&self, name: &str) {
        let before = self.part(name);
        kill(before, Signal::SIGKILL).unwrap();
        wait_until(&format!("{name} runs again"), SOON, async || {
            fs::read_to_string(self.data(&format!("run/{name}.pid")))
                .is_ok_and(|text| text.trim().parse() != Ok(before.as_raw()))
        })
        .await;
    }

    /// Starts traffic whose pairs begin on different gateways.
    fn traffic(&self, arguments: &[&str]) -> Traffic {
        let mut command = Command::new(env!("CARGO_BIN_EXE_traffic"));
        for port in [self.ports, self.ports + 1] {
            command.arg("--url").arg(format!("wss://localhost:{port}"));
        }
        command.arg("--ca").arg(self.data("ca.pem"));
        command.arg("--jwt-key").arg(self.data("keys/user-token.key")).args(arguments);
        Traffic(Process::start("traffic", &command))
    }
}

struct Traffic(Process);

impl Traffic {
    /// A count of the last line of progress.
    fn count(&self, what: &str) -> u64 {
        let output = self.0.output();
        let line = output.lines().rfind(|line| line.contains(" s  sent ")).unwrap_or_default();
        let rest = line.split_once(what).map_or("0", |(_, rest)| rest.trim_start());
        rest.split(',').next().unwrap().parse().unwrap_or(0)
    }

    async fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        wait_until(what, SOON, async || condition(self)).await;
    }

    /// Waits for the end, and returns the exit code and the report.
    async fn end(mut self) -> (i32, Value) {
        let ended = wait_for("the traffic has ended", SOON, async || self.0.ended()).await;
        let output = self.0.output();
        let report = output.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let report: Value = report.unwrap_or_else(|| panic!("no report: {output}"));
        println!("{report}");
        (ended.code().unwrap(), report)
    }

    async fn stop(self) -> (i32, Value) {
        // To the process alone: what the signal stops is under test.
        kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM).unwrap();
        self.end().await
    }
}

fn counts(report: &Value, names: [&str; 3]) -> [u64; 3] {
    names.map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no {name}: {report}")))
}

#[tokio::test]
async fn everything_arrives_also_when_a_gateway_and_the_message_service_die() {
    let cluster = Cluster::up().await;
    let (code, report) =
        cluster.traffic(&["--users=3", "--rate=200", "--count=201", "--settle=20s"]).end().await;
    assert_eq!(counts(&report, ["sent", "acknowledged", "received"]), [201; 3], "{report}");
    assert_eq!((code, &report["ok"], &report["reconnects"]), (0, &true.into(), &0.into()));
    assert!(report["sent_p50_ms"].as_f64() > Some(0.0), "{report}");

    let traffic = cluster.traffic(&["--users=8", "--rate=100", "--duration=10m", "--settle=20s"]);
    traffic.until("messages flow", |traffic| traffic.count("received") > 50).await;
    cluster.kill("gateway-1").await;
    traffic.until("clients are back", |traffic| traffic.count("reconnects") >= 4).await;
    cluster.kill("messages").await;
    let before = traffic.count("received");
    traffic.until("messages flow again", |traffic| traffic.count("received") > before + 100).await;
    let (code, report) = traffic.stop().await;
    assert_eq!((code, &report["ok"]), (0, &true.into()), "{report}");
    assert_eq!(counts(&report, ["lost", "duplicated", "reordered"]), [0; 3], "{report}");
    assert!(report["last_disconnect"].is_string(), "{report}");
}

/// The message service loses its disk while messages wait for a gateway that does not answer.
#[tokio::test]
async fn a_message_that_was_lost_is_told() {
    let cluster = Cluster::up().await;
    let traffic = cluster.traffic(&["--rate=100", "--duration=10m", "--settle=3s"]);
    traffic.until("messages flow", |traffic| traffic.count("received") > 50).await;
    kill(cluster.part("gateway-1"), Signal::SIGSTOP).unwrap();
    traffic
        .until("messages wait", |now| now.count("acknowledged") > now.count("received") + 20)
        .await;
    fs::remove_file(cluster.data("messages/messages.redb")).unwrap();
    cluster.kill("messages").await;
    cluster.kill("gateway-1").await;
    traffic.until("the other user is back", |traffic| traffic.count("reconnects") >= 1).await;
    let (code, report) = traffic.stop().await;
    assert_eq!((code, &report["ok"]), (1, &false.into()), "{report}");
    assert!(report["lost"].as_u64() > Some(20), "{report}");
}

#[tokio::test]
async fn traffic_that_cannot_start_says_why() {
    let cluster = Cluster::up().await;
    let refused = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_traffic"));
        command.args(["--url", &format!("wss://localhost:{}", cluster.ports), "--count=1"]);
        command.arg("--ca").arg(cluster.data("ca.pem")).args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
        text
    };
    let text = refused(&["--jwt-key=/nowhere", "--start=1s"]);
    assert!(text.contains("0 of 2 users") && text.contains("--jwt-key /nowhere"), "{text}");
    let other = cluster.folder.path().join("other.key");
    fs::write(&other, "not the key of this cluster, but long enough").unwrap();
    let text = refused(&[&format!("--jwt-key={}", other.display())]);
    assert!(text.contains("token"), "{text}");
}
