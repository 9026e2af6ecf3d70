//! A cluster on this machine with two gateways, as `chatcluster-operator local` starts it, and its users' tokens.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use chatcluster_testkit::{
    Process, free_port, redis::redis_server, wait_until, wait_until_stopped,
};
use jsonwebtoken::{EncodingKey, Header};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Three times what a busy machine takes to form a Redis Cluster.
const UP: Duration = Duration::from_secs(60);

const FILE: &str = "\
apiVersion: chatcluster.io/v1alpha1
kind: ChatCluster
metadata: {name: test}
spec:
  manager: {managed: {shards: 3, replicasPerShard: 0}}
";

/// How many gateways there are.
pub(crate) const GATEWAYS: usize = 2;

/// The message service, by the name of its process.
pub(crate) const MESSAGES: &str = "messages";

/// The cluster; dropping it ends its processes and removes its files.
pub(crate) struct Cluster {
    folder: TempDir,
    ports: u16,
    operator: Process,
    pub(crate) tls: TlsConnector,
}

impl Cluster {
    /// Starts one and waits until it is ready.
    pub(crate) async fn up() -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let file = folder.path().join("chatcluster.yaml");
        fs::write(&file, FILE).expect("write the cluster's file");
        // Two gateways take two ports, one after the other, and backends the one before.
        let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let ports = std::iter::repeat_with(free_port).find(|port| free(port + 1) && free(port - 1));
        let ports = ports.expect("there are free ports");
        let data = folder.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-operator"));
        command.arg("local").arg(file).arg("--data").arg(&data);
        command.args(["--port-base", &ports.to_string()]);
        command.env("CHATCLUSTER_REDIS_SERVER", redis_server());
        let operator = Process::start("local", &command);
        let endpoints = data.join("endpoints.yaml");
        wait_until("the cluster is up", UP, async || endpoints.exists()).await;
        let tls = trusting(&data.join("ca.pem"));
        Self { folder, ports, operator, tls }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// The port of a gateway, by its number.
    pub(crate) fn port(&self, gateway: usize) -> u16 {
        self.ports + u16::try_from(gateway).expect("there are few gateways")
    }

    /// A token as the document has it made: by `chat token`. `valid` is a duration such as `1h`.
    pub(crate) fn token(&self, user: &str, valid: &str) -> String {
        let chat = Path::new(env!("CARGO_BIN_EXE_chatcluster-operator")).with_file_name("chat");
        let mut command = Command::new(chat);
        command.args(["token", "--user", user, "--ttl", valid]).arg("--data").arg(self.data(""));
        let output = command.output().expect("run chat, which `cargo test --workspace` builds");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "chat token --user {user}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A token that says what no honest one does, signed with the cluster's key.
    pub(crate) fn signed(&self, claims: &Value) -> String {
        let key = fs::read(self.data("keys/user-token.key")).expect("read the key of tokens");
        let key = EncodingKey::from_secret(&key);
        jsonwebtoken::encode(&Header::default(), claims, &key).expect("sign a token")
    }

    /// What a backend asks of the message service, with the cluster's own service token.
    pub(crate) async fn backend(&self, method: &str, path: &str) -> Result<(), String> {
        let token = fs::read_to_string(self.data("service-token.jwt")).expect("read the token");
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        let auth = format!("authorization: Bearer {}\r\ncontent-length: 0\r\n\r\n", token.trim());
        let exchange = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports - 1)).await?;
            stream.write_all(format!("{head}{auth}").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = exchange.await.map_err(|error| format!("{method} {path}: {error}"))?;
        let good = answer.starts_with("HTTP/1.1 20");
        good.then_some(()).ok_or_else(|| format!("{method} {path} gives {answer}"))
    }

    /// Sends a signal to a part, such as `gateway-0`.
    pub(crate) fn signal(&self, part: &str, signal: Signal) {
        let id = fs::read_to_string(self.data(&format!("run/{part}.pid"))).expect(part);
        let id = Pid::from_raw(id.trim().parse().expect("a process id is a number"));
        kill(id, signal).unwrap_or_else(|error| panic!("{signal} to {part}: {error}"));
        if signal == Signal::SIGSTOP {
            wait_until_stopped(id);
        }
    }

    /// Sends a signal to the operator alone. One that is stopped does not start again what dies.
    pub(crate) fn signal_operator(&self, signal: Signal) {
        let id = i32::try_from(self.operator.id()).expect("process ids fit 31 bits");
        kill(Pid::from_raw(id), signal).expect("the operator runs");
    }
}

fn trusting(ca: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("read ca.pem")).expect("trust ca.pem");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
