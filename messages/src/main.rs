//! `chatcluster-messages --config FILE`: the message service.

use std::{future::Future, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use chatcluster_config::{MessagesConfig, Role, Storage};
use chatcluster_messages::{
    Clock, Metrics, devices,
    embedded::{Embedded, WriterThread},
    fan_out,
    grpc::{self, GrpcService},
    http::{self, HttpService},
    wall_clock,
};
use chatcluster_runtime::{
    admin::{self, Readiness},
    backend::{self, ServiceTokens},
    exit_code, logs, raise_nofile, read_config, signals,
    tls::{Handshakes, RoleCertificate, TlsListener},
};
use clap::Parser;
use messages_core::repository::Quorum;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Calls under way have this long after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The message service of a ChatCluster.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file, in YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    exit_code(serve(&Arguments::parse()))
}

#[tokio::main]
async fn serve(arguments: &Arguments) -> Result<()> {
    logs::init()?;
    raise_nofile().context("raising the limit of open files failed")?;
    let config: MessagesConfig = read_config(&arguments.config)?;
    run(config, signals::shutdown_token().context("listening for signals failed")?).await
}

/// What every part of the service is given.
struct Parts {
    repository: Arc<Quorum<Embedded>>,
    clock: Clock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

async fn run(config: MessagesConfig, shutdown: CancellationToken) -> Result<()> {
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::new(&mut registry));
    let readiness = Readiness::waiting_for(&["storage", "listeners"]);
    let admin_port = bind(config.admin).await?;
    let admin_at = admin_port.local_addr()?;
    // Ends last: probes and metrics are wanted while the rest stops.
    let admin_end = CancellationToken::new();
    let admin = admin::serve(admin_port, readiness.clone(), Arc::new(registry), admin_end.clone());
    let admin = tokio::spawn(admin);

    let clock = wall_clock();
    let (replica, mut writer) = open(&config.storage, &clock, &metrics).await?;
    readiness.met("storage");
    let repository = Arc::new(Quorum::of_one(replica));
    let parts = Parts { repository, clock, metrics, shutdown: shutdown.clone() };

    let (grpc_at, grpc) = serve_grpc(&config, &parts).await?;
    let (http_at, http) = serve_http(&config, &parts).await?;
    let Parts { repository, clock, metrics, .. } = parts;
    let sweep = devices::sweep(
        repository.clone(),
        *config.devices.unused_after,
        clock.clone(),
        metrics.clone(),
        shutdown.clone(),
    );
    let sweep = tokio::spawn(sweep);
    let fan_out =
        tokio::spawn(fan_out::finish_pending(repository, clock, metrics, shutdown.clone()));
    readiness.met("listeners");
    tracing::info!(grpc = %grpc_at, http = %http_at, admin = %admin_at, "ready");

    let died = tokio::select! {
        () = shutdown.cancelled() => false,
        () = writer.ended() => true,
    };
    shutdown.cancel();
    let _ = timeout(DRAIN + Duration::from_secs(1), async {
        let _ = tokio::join!(grpc, http, fan_out, sweep);
        if !died {
            writer.ended().await;
        }
    })
    .await;
    admin_end.cancel();
    admin.await.context("the admin port broke off")??;
    if died {
        bail!("the thread that writes has ended; see the log");
    }
    tracing::info!("stopped");
    Ok(())
}

async fn open(
    storage: &Storage,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<(Embedded, WriterThread)> {
    let Storage::Embedded { path } = storage.clone();
    let (clock, metrics) = (clock.clone(), metrics.clone());
    let opened = tokio::task::spawn_blocking(move || Embedded::open(&path, clock, metrics));
    Ok(opened.await.context("opening the storage broke off")??)
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address} failed"))
}

type Serving = (std::net::SocketAddr, JoinHandle<()>);

async fn serve_grpc(config: &MessagesConfig, parts: &Parts) -> Result<Serving> {
    let certificate = RoleCertificate::load(&config.grpc.tls)?;
    let tls = certificate.server_config(&[Role::Gateway], &["h2"])?;
    let shutdown = parts.shutdown.clone();
    tokio::spawn(certificate.keep_current(shutdown.clone()));
    let listener = bind(config.grpc.listen).await?;
    let address = listener.local_addr()?;
    let connections = TlsListener::new(listener, tls, Handshakes::default()).into_stream();
    let service =
        GrpcService::new(parts.repository.clone(), parts.clock.clone(), parts.metrics.clone());
    let stop = shutdown.clone().cancelled_owned();
    let server = async move {
        if let Err(error) = grpc::serve(connections, service, stop).await {
            tracing::error!(%error, "the gRPC port broke off");
        }
    };
    Ok((address, tokio::spawn(drained(server, shutdown))))
}

async fn serve_http(config: &MessagesConfig, parts: &Parts) -> Result<Serving> {
    let tokens = ServiceTokens::from_file(&config.http.token_key, &config.http.audience)?.into();
    let router = http::router(HttpService {
        repository: parts.repository.clone(),
        tokens,
        clock: parts.clock.clone(),
        metrics: parts.metrics.clone(),
    });
    let shutdown = parts.shutdown.clone();
    let listener = bind(config.http.listen).await?;
    let address = listener.local_addr()?;
    let server = backend::spawn(listener, config.http.tls.as_ref(), router, shutdown)?;
    Ok((address, server))
}

/// Runs a server to its end, but not for long after the shutdown.
async fn drained(server: impl Future<Output = ()>, shutdown: CancellationToken) {
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = server => {}
        () = late => tracing::warn!("some calls of gateways did not end in time"),
    }
}
