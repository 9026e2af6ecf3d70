//! Everything around a gateway: certificates, keys, the message service, the manager, and the gateways
//! themselves.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chatcluster_config::{
    Auth, BackendPort, ClientPort, Drain, GatewayConfig, GoDuration, JwtAlgorithm, JwtKey, Limits,
    ManagerHome, MessagesClient, PeerPort, Role,
};
use chatcluster_gateway::{
    listener::bind,
    run::{Ports, RunError, run},
};
use chatcluster_manager::{Manager, MemoryManager};
use chatcluster_messages::{
    Metrics,
    embedded::{Embedded, WriterThread},
    grpc::{self, GrpcService},
    wall_clock,
};
use chatcluster_runtime::tls::{Handshakes, RoleCertificate, TlsListener};
use chatcluster_testkit::certificates::Certificates;
use jsonwebtoken::{EncodingKey, Header};
use messages_core::repository::Quorum;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, figure};

/// For whatever must happen; many times what it takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What signs tokens.
pub(crate) const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

/// Whom service tokens are for.
pub(crate) const AUDIENCE: &str = "chatcluster-messages";

/// A ChatCluster's surroundings.
pub(crate) struct World {
    pub(crate) certificates: Certificates,
    pub(crate) folder: TempDir,
    pub(crate) manager: MemoryManager,
    pub(crate) messages: SocketAddr,
    service: Mutex<Option<Service>>,
}

struct Service {
    stop: CancellationToken,
    serving: JoinHandle<()>,
    writer: WriterThread,
    repository: Arc<Quorum<Embedded>>,
}

/// A gateway of this process.
pub(crate) struct Gateway {
    pub(crate) client: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) backend: SocketAddr,
    shutdown: CancellationToken,
    running: Option<JoinHandle<Result<(), RunError>>>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl World {
    /// With a message service that runs.
    pub(crate) async fn new() -> Self {
        let world = Self::without_messages();
        world.start_messages();
        world
    }

    /// Where the test starts the message service itself.
    pub(crate) fn without_messages() -> Self {
        let certificates = Certificates::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token.key"), SECRET).unwrap();
        let messages = ([127, 0, 0, 1], chatcluster_testkit::free_port()).into();
        let manager = MemoryManager::new(now);
        Self { certificates, folder, manager, messages, service: Mutex::new(None) }
    }

    /// The message service, on the same address and file each time.
    pub(crate) fn start_messages(&self) {
        let tls = self.certificates.role("messages", Role::Messages).unwrap();
        let tls = RoleCertificate::load(&tls).unwrap();
        let tls = tls.server_config(&[Role::Gateway], &["h2"]).unwrap();
        let metrics = Arc::new(Metrics::new(&mut Registry::default()));
        let path = self.folder.path().join("messages.redb");
        let (replica, writer) = Embedded::open(&path, wall_clock(), metrics.clone()).unwrap();
        let repository = Arc::new(Quorum::of_one(replica));
        let service = GrpcService::new(repository.clone(), wall_clock(), metrics);
        let listener = bind(self.messages).unwrap();
        let connections = TlsListener::new(listener, tls, Handshakes::default()).into_stream();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            grpc::serve(connections, service, stopped).await.unwrap();
        });
        *self.service.lock().unwrap() = Some(Service { stop, serving, writer, repository });
    }

    /// Ends the message service as a crash would: calls under way get no answer.
    pub(crate) async fn kill_messages(&self) {
        let service = self.service.lock().unwrap().take();
        let Some(Service { stop, serving, mut writer, repository }) = service else { return };
        drop(repository);
        serving.abort();
        let _ = serving.await;
        stop.cancel();
        writer.ended().await;
    }

    /// What the message service keeps.
    pub(crate) fn repository(&self) -> Arc<Quorum<Embedded>> {
        self.service.lock().unwrap().as_ref().unwrap().repository.clone()
    }

    /// A configuration with free ports.
    pub(crate) fn config(&self, name: &str) -> GatewayConfig {
        let loopback = "127.0.0.1:0".parse().unwrap();
        GatewayConfig {
            name: name.into(),
            client: ClientPort {
                listen: loopback,
                tls: None,
                origins: vec![],
                page: None,
                connections: 10_000,
                heartbeat: GoDuration::from_secs(25),
            },
            peer: PeerPort {
                listen: loopback,
                host: "127.0.0.1".into(),
                port: None,
                tls: self.certificates.role(name, Role::Gateway).unwrap(),
            },
            backend: Some(BackendPort {
                listen: loopback,
                tls: None,
                token_key: self.key(),
                audience: AUDIENCE.into(),
            }),
            webhook: None,
            admin: loopback,
            manager: ManagerHome::Memory,
            messages: MessagesClient { address: self.messages.to_string() },
            auth: Auth {
                keys: vec![JwtKey { algorithm: JwtAlgorithm::HS256, file: self.key(), id: None }],
                issuer: None,
                audience: None,
            },
            // Tests send and connect faster than people.
            limits: Limits::none(),
            drain: Drain {
                grace: GoDuration::from_millis(200),
                rate_per_second: 1000,
                timeout: GoDuration::from_secs(20),
            },
        }
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("token.key")
    }

    /// A gateway with the world's manager.
    pub(crate) async fn gateway(&self, name: &str) -> Gateway {
        self.run(self.config(name), self.manager.clone()).await
    }

    /// A gateway.
    pub(crate) async fn run(&self, config: GatewayConfig, manager: impl Manager) -> Gateway {
        let ports = Ports::open(&config).unwrap();
        let client = ports.client.local_addr().unwrap();
        let admin = ports.admin.local_addr().unwrap();
        let backend = ports.backend.as_ref().unwrap().local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(config, ports, manager, shutdown.clone()));
        Gateway { client, admin, backend, shutdown, running: Some(running) }
    }

    /// A good token.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_for(user, 3600)
    }

    /// A token that expires in so many seconds.
    pub(crate) fn token_for(&self, user: &str, seconds: i64) -> String {
        signed(&json!({"sub": user, "exp": now() as i64 / 1000 + seconds}), SECRET)
    }

    /// A client past its `caught_up`.
    pub(crate) async fn login(&self, at: SocketAddr, user: &str, device: &str) -> Client {
        let mut client = Client::connect(at).await;
        client.hello(&self.token(user), device).await;
        client.expect("welcome").await;
        client.until("caught_up").await;
        client
    }
}

impl Gateway {
    /// As SIGTERM does it; returns when it has ended.
    pub(crate) async fn stop(mut self) -> Result<(), RunError> {
        self.shutdown.cancel();
        let running = self.running.take().unwrap();
        tokio::time::timeout(DEADLINE, running).await.expect("the gateway does not end").unwrap()
    }

    /// One figure of its metrics: with its labels, or summed over them.
    pub(crate) async fn figure(&self, name: &str) -> f64 {
        figure(self.admin, name).await
    }
}

/// A token by HS256.
pub(crate) fn signed(claims: &Value, secret: &[u8]) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret)).unwrap()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}
