//! A gateway as a program: everything put together from its configuration, run until it is told to
//! stop, and stopped in good order.

use std::{io, sync::Arc, time::Duration};

use chatcluster_config::{GatewayConfig, Role};
use chatcluster_manager::Manager;
use chatcluster_runtime::{
    admin::{self, Readiness},
    backend::{InvalidKey, ServiceTokens},
    tls::{Handshakes, RoleCertificate, ServerCertificate, TlsError, TlsListener},
};
use gateway_core::drainer::DrainSettings;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{KeyError, Keyring, Verifier},
    backend,
    connection::Port,
    hub::{Hub, Settings},
    listener,
    messages::{Service, ServiceError},
    metrics::Metrics,
    page::Page,
    peers,
    upgrade::Policy,
    webhook::{self, Webhook},
};

/// How long the last frames of a drain may take to leave, and the lease to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The ports of a gateway, open already.
#[derive(Debug)]
pub struct Ports {
    /// For clients.
    pub client: TcpListener,
    /// For peers.
    pub peer: TcpListener,
    /// For backends, if they are served.
    pub backend: Option<TcpListener>,
    /// For probes and metrics.
    pub admin: TcpListener,
}

/// Why a gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port cannot be opened.
    #[error("opening the {port} port on {address} failed: {error}")]
    Port {
        /// Which.
        port: &'static str,
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Token keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The key of service tokens cannot be used.
    #[error(transparent)]
    ServiceTokens(#[from] InvalidKey),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The message service cannot be reached with this configuration.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Nobody can be told by this webhook.
    #[error(transparent)]
    Webhook(#[from] webhook::InvalidTarget),
    /// The page's folder cannot be read.
    #[error("client.page {path} cannot be served: {error}")]
    Page {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Ports {
    /// Opens the ports of the configuration.
    ///
    /// # Errors
    /// When one is taken.
    pub fn open(config: &GatewayConfig) -> Result<Self, RunError> {
        let open = |port, address| {
            listener::bind(address).map_err(|error| RunError::Port { port, address, error })
        };
        Ok(Self {
            client: open("client", config.client.listen)?,
            peer: open("peer", config.peer.listen)?,
            backend: config
                .backend
                .as_ref()
                .map(|port| open("backend", port.listen))
                .transpose()?,
            admin: open("admin", config.admin)?,
        })
    }
}

/// Runs a gateway until `shutdown`, and then until it is drained.
///
/// # Errors
/// When it cannot start.
pub async fn run<M: Manager>(
    config: GatewayConfig,
    ports: Ports,
    manager: M,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    // Ends whatever runs beside, however this function returns.
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();

    let keys = Arc::new(Keyring::read(&config.auth.keys)?);
    let verifier = Verifier::new(&config.auth, keys.clone());
    let role = RoleCertificate::load(&config.peer.tls)?;
    let client = config.client.tls.as_ref().map(ServerCertificate::load).transpose()?;
    let page = config.client.page.as_deref().map(|path| {
        Page::new(path).map_err(|error| RunError::Page { path: path.to_owned(), error })
    });
    let port = Port { policy: Policy::new(&config.client), page: page.transpose()? };

    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let service = Service::new(&config.messages.address, &role)?;
    let settings = settings(&config, &ports);
    let to_peers = role.connector(Role::Gateway, &[])?;
    let start = |target| Webhook::start(target, metrics.clone());
    let (webhook, webhook_ending) = config.webhook.as_ref().map(start).transpose()?.unzip();
    let hub = Hub::new(settings, manager, service, to_peers, verifier, webhook, metrics);

    let readiness = Readiness::waiting_for(&["client listener"]);
    let admin = admin::serve(ports.admin, readiness.clone(), Arc::new(registry), stop.clone());
    tokio::spawn(async move {
        if let Err(error) = admin.await {
            tracing::error!(%error, "the admin port broke off");
        }
    });
    tokio::spawn(keys.watch(stop.clone()));
    let from_peers = role.server_config(&[Role::Gateway], &[])?;
    let listener = TlsListener::new(ports.peer, from_peers, Handshakes::default());
    tokio::spawn(peers::serve(listener, hub.clone(), stop.clone()));
    tokio::spawn(role.keep_current(stop.clone()));
    let tls = client.as_ref().map(|client| client.server_config(&["http/1.1"])).transpose()?;
    if let Some(client) = client {
        tokio::spawn(client.keep_current(stop.clone()));
    }
    let machines = tokio::spawn(hub.clone().run());
    tokio::spawn(listener::accept(ports.client, tls, hub.clone(), port, stop.clone()));
    let backends = backends(&config, ports.backend, &hub)?;
    readiness.met("client listener");
    tracing::info!(name = config.name, client = %config.client.listen, "the gateway is up");

    shutdown.cancelled().await;
    hub.drain();
    hub.finished().cancelled().await;
    // Ended by itself; that it did not panic shows in the log.
    let _ = machines.await;
    // Requests that are answered are routed before the lease ends.
    let _ = timeout(LAST_WORDS, backends).await;
    leave(&hub).await;
    if let Some(webhook) = webhook_ending {
        webhook.finish().await;
    }
    tracing::info!("the gateway is drained");
    Ok(())
}

/// Serves backends, if they are to be served, until nobody new is let in.
fn backends<M: Manager>(
    config: &GatewayConfig,
    listener: Option<TcpListener>,
    hub: &Arc<Hub<M>>,
) -> Result<JoinHandle<()>, RunError> {
    let (Some(port), Some(listener)) = (&config.backend, listener) else {
        return Ok(tokio::spawn(async {}));
    };
    let tokens = Arc::new(ServiceTokens::from_file(&port.token_key, &port.audience)?);
    let router = backend::router(hub.clone(), &tokens);
    let shutdown = hub.refusing().clone();
    Ok(chatcluster_runtime::backend::spawn(listener, port.tls.as_ref(), router, shutdown)?)
}

/// What the configuration says, resolved.
fn settings(config: &GatewayConfig, ports: &Ports) -> Settings {
    let listens = ports.peer.local_addr().map_or(config.peer.listen.port(), |at| at.port());
    Settings {
        name: config.name.clone(),
        host: config.peer.host.clone(),
        port: config.peer.port.unwrap_or(listens),
        heartbeat: *config.client.heartbeat,
        connections: config.client.connections,
        limits: (&config.limits).into(),
        drain: DrainSettings {
            grace: *config.drain.grace,
            rate_per_second: config.drain.rate_per_second,
            timeout: *config.drain.timeout,
        },
    }
}

/// Lets the last frames leave, then ends the lease, so that nobody has to probe for what was here; unless
/// there is something that was not delivered.
async fn leave<M: Manager>(hub: &Hub<M>) {
    let empty = async {
        while hub.open_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = timeout(LAST_WORDS, empty).await;
    let undelivered = hub.undelivered();
    if undelivered > 0 {
        tracing::info!(undelivered, "the lease runs out by itself, so that others probe");
        return;
    }
    let end = hub.manager().end(hub.lease().incarnation);
    match timeout(LAST_WORDS, end).await {
        Ok(Ok(())) => {}
        // It runs out by itself within seconds.
        Ok(Err(error)) => tracing::info!(%error, "the lease was not ended"),
        Err(_) => tracing::info!("the lease was not ended in time"),
    }
}
