//! The program itself: killed, out of disk, stopped in good order.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use chatcluster_config::Role;
use chatcluster_messages_api::v1::messages_client::MessagesClient;
use chatcluster_messages_api::v1::{self, append_result::Result as Outcome};
use chatcluster_protocol::id::MessageId;
use chatcluster_testkit::certificates::{Certificates, IDENTITY};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    task::JoinSet,
};
use tonic::transport::Channel;

use crate::harness::*;

/// A folder with all that the program needs.
pub struct Home {
    certificates: Certificates,
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let home = Self {
            certificates: Certificates::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let tls = home.certificates.role("messages", Role::Messages).unwrap();
        let path = |name: &str| home.folder.path().join(name).display().to_string();
        std::fs::write(path("token.key"), SECRET).unwrap();
        let config = format!(
            "grpc:\n  listen: 127.0.0.1:0\n  tls:\n    certificate: {}\n    key: {}\n    ca: {}\n    \
             identity: {IDENTITY}\nhttp:\n  listen: 127.0.0.1:0\n  tokenKey: {}\n\
             admin: 127.0.0.1:0\nstorage:\n  type: Embedded\n  path: {}\n",
            tls.certificate.display(),
            tls.key.display(),
            tls.ca.display(),
            path("token.key"),
            path("messages.redb"),
        );
        std::fs::write(path("config.yaml"), config).unwrap();
        home
    }

    fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("config.yaml")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-messages"));
        command.arg("--config").arg(self.config());
        command
    }

    pub async fn start(&self) -> Program {
        Program::start(self.command()).await
    }

    pub async fn gateway(&self, program: &Program) -> MessagesClient<Channel> {
        let tls = self.certificates.role("gateway", Role::Gateway).unwrap();
        client(&tls, program.grpc).await.unwrap()
    }
}

/// The running program; killed when this is dropped.
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    grpc: u16,
    pub http: u16,
    admin: u16,
}

impl Program {
    async fn start(mut command: Command) -> Self {
        command.env("CHATCLUSTER_LOG_FORMAT", "json").env_remove("RUST_LOG");
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = tokio::time::timeout(DEADLINE, async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["message"] == "ready" {
                    return event;
                }
                said.push(line);
            }
            panic!("the program ended before it was ready: {said:#?}");
        });
        let ready = ready.await.expect("the program gets ready");
        let port = |name: &str| {
            let address = ready[name].as_str().unwrap();
            address.rsplit_once(':').unwrap().1.parse().unwrap()
        };
        Self { grpc: port("grpc"), http: port("http"), admin: port("admin"), child, lines }
    }

    pub async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    async fn metrics(&self) -> String {
        let request = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.admin)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

pub fn now() -> u64 {
    chatcluster_messages::wall_clock()()
}

/// Whether an append was answered with `stored`.
pub async fn stored(
    client: &mut MessagesClient<Channel>,
    append: v1::Append,
) -> Result<bool, tonic::Status> {
    let answer = client.append(v1::AppendRequest { appends: vec![append] }).await?.into_inner();
    Ok(matches!(answer.results[0].result, Some(Outcome::Stored(_))))
}

/// Sends until the service dies; gives the references that were acknowledged.
async fn send_until_it_dies(
    mut client: MessagesClient<Channel>,
    sender: String,
    count: Arc<AtomicUsize>,
) -> Vec<MessageId> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let append = append(&sender, "bob", &n.to_string(), now(), "hi");
        let id = MessageId::from_bytes(append.id[..].try_into().unwrap()).unwrap();
        match stored(&mut client, append).await {
            Ok(true) => {
                acknowledged.push(id);
                count.fetch_add(1, SeqCst);
            }
            // Two sends of one device in a millisecond: the next one has a higher id.
            Ok(false) => {}
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_has_everything_that_it_acknowledged() {
    let home = Home::new();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let program = home.start().await;
        let mut gateway = home.gateway(&program).await;
        let request = v1::RegisterRequest { device: device("bob", "phone"), issued: NOW };
        gateway.register(request).await.unwrap();
        let (count, mut senders) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        for n in 0..8 {
            let sender = format!("sender-{round}-{n}");
            senders.spawn(send_until_it_dies(gateway.clone(), sender, count.clone()));
        }
        let enough = 150 + 70 * round;
        eventually("sending", || async { (count.load(SeqCst) >= enough).then_some(()) }).await;
        program.kill().await;
        while let Some(ids) = senders.join_next().await {
            acknowledged.extend(ids.unwrap());
        }
    }
    assert!(acknowledged.len() >= 660);
    let program = home.start().await;
    let mut gateway = home.gateway(&program).await;
    let waiting = inbox(&mut gateway, "bob", "phone").await.messages;
    let waiting: std::collections::HashSet<_> = waiting.into_iter().map(|one| one.id).collect();
    let lost = acknowledged.iter().filter(|id| !waiting.contains(&bytes(**id))).count();
    assert_eq!(lost, 0, "of {}", acknowledged.len());
    // The archive has them too.
    let some = acknowledged[acknowledged.len() / 2];
    let answer = get(program.http, &format!("/v1/messages/{some}"), &good_token()).await;
    assert_eq!(answer.status, 200);
}

/// The limit of file sizes stands in for the disk's end; it can be lifted while the program runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_disk_it_acknowledges_nothing_stays_readable_and_recovers() {
    let home = Home::new();
    let mut command = Command::new("sh");
    // Ignoring the signal makes the write fail, as a full disk does.
    let limited = "trap '' XFSZ; exec prlimit --fsize=6000000:unlimited \"$@\"";
    command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_chatcluster-messages")]);
    command.arg("--config").arg(home.config());
    let program = Program::start(command).await;
    let mut gateway = home.gateway(&program).await;

    let body = "x".repeat(32 * 1024);
    let send = |n: u64| append("alice", "bob", &n.to_string(), now() + n % 1000, &body);
    let mut acknowledged = 0;
    while stored(&mut gateway, send(acknowledged)).await.unwrap() {
        acknowledged += 1;
        assert!(acknowledged < 1000, "the disk does not get full");
    }
    assert!(acknowledged > 10, "{acknowledged}");
    // More than once: each failure has to leave something that can be read.
    eventually("three failed transactions", || {
        let (mut gateway, append) = (gateway.clone(), send(acknowledged));
        let program = &program;
        async move {
            assert!(!stored(&mut gateway, append).await.unwrap());
            let metrics = program.metrics().await;
            let failed = metrics.lines().find_map(|line| {
                line.strip_prefix("chatcluster_messages_commits_failed_total ")?.parse::<u32>().ok()
            });
            failed.is_some_and(|failed| failed >= 3).then_some(())
        }
    })
    .await;
    assert_eq!(archived(&program).await, acknowledged);

    let pid = program.child.id().unwrap().to_string();
    let lift = ["--pid", &pid, "--fsize=unlimited:unlimited"];
    assert!(std::process::Command::new("prlimit").args(lift).status().unwrap().success());
    eventually("storing", || {
        let (mut gateway, append) = (gateway.clone(), send(acknowledged));
        async move { stored(&mut gateway, append).await.unwrap().then_some(()) }
    })
    .await;
    assert_eq!(archived(&program).await, acknowledged + 1);
}

/// How many messages bob has sent and got.
async fn archived(program: &Program) -> u64 {
    let (mut found, mut cursor) = (0, String::new());
    loop {
        let path = format!("/v1/users/bob/messages?limit=500{cursor}");
        let answer = get(program.http, &path, &good_token()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        found += answer.json["messages"].as_array().unwrap().len();
        match &answer.json["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return found as u64,
        }
    }
}

#[tokio::test]
async fn it_is_ready_and_counts_and_stops_in_good_order() {
    let home = Home::new();
    let mut program = home.start().await;
    assert_eq!(get(program.admin, "/readyz", "").await.status, 200);
    let mut gateway = home.gateway(&program).await;
    assert!(stored(&mut gateway, append("alice", "bob", "1", now(), "hi")).await.unwrap());
    let text = program.metrics().await;
    assert!(text.contains("chatcluster_messages_appends_total{outcome=\"stored\"} 1"), "{text}");
    // A gateway stays connected, as gateways do.
    program.signal("-TERM");
    let status = tokio::time::timeout(DEADLINE, program.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    let mut last = String::new();
    while let Some(line) = program.lines.next_line().await.unwrap() {
        last = line;
    }
    assert!(last.contains("stopped"), "{last}");
}

async fn fails(command: &mut Command) -> String {
    command.env("RUST_BACKTRACE", "1");
    let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: ") && text.lines().count() == 1, "one line: {text}");
    text
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said() {
    let home = Home::new();
    let program = home.start().await;
    let in_use = fails(&mut home.command()).await;
    assert!(in_use.contains("messages.redb is in use by another process"), "{in_use}");
    program.kill().await;

    let short = home.folder.path().join("token.key");
    std::fs::write(&short, "short").unwrap();
    let text = fails(&mut home.command()).await;
    assert!(text.contains("at least 32"), "{text}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-messages"));
    let text = fails(command.arg("--config").arg(Path::new("/nowhere.yaml"))).await;
    assert_eq!(
        text,
        "error: reading /nowhere.yaml failed: No such file or directory (os error 2)\n"
    );
}
