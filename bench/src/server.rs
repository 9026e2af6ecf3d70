//! The servers that are measured: floors and shipped programs, each a process of its own.

use std::{
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use chatcluster_config::{
    Auth, BackendPort, ClientPort, Devices, Drain, GatewayConfig, GoDuration, GrpcPort,
    JwtAlgorithm, JwtKey, Limits, ManagerHome, MessagesClient, MessagesConfig, PeerPort, Role,
    ServerTls, Storage,
};
use chatcluster_testkit::{
    Process, certificates::Certificates, free_port, redis::RedisCluster, wait_for,
};
use clap::ValueEnum;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Serialize;

use crate::{floor, usage};

/// A gateway has started when this is over. For ten seconds after its first lease it has all its sessions
/// claim their routes again, since others may have read what was claimed before as dead.
pub(crate) const STARTED: Duration = Duration::from_secs(12);
const START: Duration = Duration::from_secs(30);
/// The fewest masters that a Redis Cluster may have.
const MASTERS: usize = 3;
/// Of service tokens.
const AUDIENCE: &str = "bench";
const SECRET: &[u8] = b"a secret of the benchmark, 32 bytes or more";

/// A process that is measured.
pub(crate) struct Server {
    process: Process,
    /// The port that clients connect to.
    pub(crate) port: u16,
}

impl Server {
    /// A process that listens already.
    pub(crate) fn new(process: Process, port: u16) -> Self {
        Self { process, port }
    }

    /// Starts a floor.
    pub(crate) async fn floor(kind: floor::Kind) -> anyhow::Result<Self> {
        Self::start_floor(kind, Vec::new()).await
    }

    /// Starts the floor of what is accepted over TLS.
    pub(crate) async fn tls_floor(tls: &ServerTls) -> anyhow::Result<Self> {
        let ServerTls { certificate, key } = tls;
        let files =
            ["--certificate".as_ref(), certificate.as_ref(), "--key".as_ref(), key.as_ref()];
        Self::start_floor(floor::Kind::Tls, files.map(OsStr::to_owned).into()).await
    }

    async fn start_floor(kind: floor::Kind, more: Vec<OsString>) -> anyhow::Result<Self> {
        let name = kind.to_possible_value().context("a floor without a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", name.get_name()]).args(more);
        let process = Process::start("floor", &command);
        let port = wait_for("the floor listens", START, async || {
            let address: SocketAddr =
                process.output().trim().strip_prefix("listening on ")?.parse().ok()?;
            Some(address.port())
        })
        .await;
        Ok(Self { process, port })
    }

    /// [`usage::memory`] of it.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        usage::memory(self.process.id())
    }

    /// [`usage::rest`] of it.
    pub(crate) async fn rest(&self) -> anyhow::Result<()> {
        usage::rest(&[self.process.id()]).await
    }

    /// [`usage::cpu`] of it.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        usage::cpu(self.process.id())
    }
}

/// A gateway, its message service and its manager: a Redis Cluster, as the operator runs it, since routes
/// that a gateway keeps in its own memory would count as the gateway's.
pub(crate) struct Fleet {
    pub(crate) gateway: Server,
    /// Where other gateways connect.
    pub(crate) peer: u16,
    pub(crate) certificates: Certificates,
    pub(crate) messages: Server,
    /// Where backends ask the message service.
    pub(crate) http: u16,
    _manager: RedisCluster,
}

impl Fleet {
    /// Starts the shipped programs; clients connect over TLS or in plain.
    pub(crate) async fn start(tls: bool) -> anyhow::Result<Self> {
        let manager = RedisCluster::start(MASTERS, 0).await;
        let certificates = Certificates::new()?;
        let secret = certificates.folder().join("secret");
        fs::write(&secret, SECRET)?;
        let [grpc, http, peer, port] = [(); 4].map(|()| free_port());
        let admins = [(); 2].map(|()| local(free_port()));

        let messages = MessagesConfig {
            grpc: GrpcPort {
                listen: local(grpc),
                tls: certificates.role("messages", Role::Messages)?,
            },
            http: BackendPort {
                listen: local(http),
                tls: None,
                token_key: secret.clone(),
                audience: AUDIENCE.into(),
            },
            admin: admins[0],
            storage: Storage::Embedded { path: certificates.folder().join("messages.redb") },
            devices: Devices::default(),
        };
        let gateway = GatewayConfig {
            name: "bench".into(),
            client: ClientPort {
                listen: local(port),
                tls: tls.then(|| certificates.server("client")).transpose()?,
                origins: Vec::new(),
                page: None,
                connections: 20_000,
                // Nobody is asked during a measurement.
                heartbeat: GoDuration::from_secs(600),
            },
            peer: PeerPort {
                listen: local(peer),
                host: "127.0.0.1".into(),
                port: None,
                tls: certificates.role("gateway", Role::Gateway)?,
            },
            backend: None,
            webhook: None,
            admin: admins[1],
            manager: ManagerHome::Redis { nodes: manager.addresses() },
            messages: MessagesClient { address: local(grpc).to_string() },
            auth: Auth {
                keys: vec![JwtKey { algorithm: JwtAlgorithm::HS256, file: secret, id: None }],
                issuer: None,
                audience: None,
            },
            // The bench's users send as fast as they can.
            limits: Limits::none(),
            drain: Drain::default(),
        };
        let process = start("chatcluster-messages", &certificates, &messages, admins[0]).await?;
        let messages = Server { process, port: grpc };
        let process = start("chatcluster-gateway", &certificates, &gateway, admins[1]).await?;
        let gateway = Server { process, port };
        Ok(Self { gateway, peer, certificates, messages, http, _manager: manager })
    }

    /// Waits until gateway and message service have nothing left to do.
    pub(crate) async fn rest(&self) -> anyhow::Result<()> {
        usage::rest(&[&self.gateway, &self.messages].map(|server| server.process.id())).await
    }

    /// What a client needs to trust the gateway.
    pub(crate) fn client_tls(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificates.ca_file())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// The name of a user of the benchmark.
pub(crate) fn user(index: usize) -> String {
    format!("user-{index}")
}

/// The `hello` of a user of the benchmark.
pub(crate) fn hello(index: usize) -> anyhow::Result<String> {
    let token = token(serde_json::json!({ "sub": user(index), "exp": expires()? }))?;
    Ok(serde_json::json!({ "type": "hello", "id": 0, "token": token, "device": "bench" })
        .to_string())
}

/// What a backend shows to read messages.
pub(crate) fn service_token() -> anyhow::Result<String> {
    token(serde_json::json!({ "aud": AUDIENCE, "exp": expires()?, "scope": "messages:read" }))
}

fn token(claims: serde_json::Value) -> anyhow::Result<String> {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
}

/// In an hour, in seconds since 1970.
fn expires() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600)
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Starts a shipped program and waits until it is ready.
async fn start(
    name: &str,
    certificates: &Certificates,
    config: &impl Serialize,
    admin: SocketAddr,
) -> anyhow::Result<Process> {
    let file = certificates.folder().join(name).with_extension("yaml");
    fs::write(&file, serde_yaml::to_string(config)?)?;
    let program: PathBuf = std::env::current_exe()?.with_file_name(name);
    let mut command = Command::new(&program);
    command.arg("--config").arg(&file);
    let process = Process::start(name, &command);
    wait_for(&format!("{name} is ready"), START, async || ready(admin).await.ok()).await;
    Ok(process)
}

async fn ready(admin: SocketAddr) -> anyhow::Result<()> {
    let answer = ask(admin, "/readyz").await?;
    let status = answer.split(' ').nth(1);
    anyhow::ensure!(status == Some("200"), "not ready: {answer}");
    Ok(())
}

/// What a program's admin port answers, status and headers included.
pub(crate) async fn ask(admin: SocketAddr, path: &str) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(admin).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: admin\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
