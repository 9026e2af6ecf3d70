//! The admin port as probes and scrapers see it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chatcluster_runtime::admin::{self, Readiness};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

struct Admin {
    address: SocketAddr,
    readiness: Readiness,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(registry: Registry) -> Admin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let readiness = Readiness::waiting_for(&["listener", "certificate"]);
    let shutdown = CancellationToken::new();
    let serve = admin::serve(listener, readiness.clone(), Arc::new(registry), shutdown.clone());
    Admin { address, readiness, shutdown, task: tokio::spawn(serve) }
}

impl Admin {
    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }
}

#[tokio::test]
async fn readiness_says_what_it_waits_for() {
    let admin = start(Registry::default()).await;
    assert!(admin.get("/livez").await.starts_with("HTTP/1.1 200"));
    let answer = admin.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with("certificate: not yet\nlistener: not yet\n"), "{answer}");
    admin.readiness.met("listener");
    admin.readiness.met("certificate");
    assert!(admin.get("/readyz").await.starts_with("HTTP/1.1 200"));
    admin.readiness.unmet("listener", "closed");
    assert!(admin.get("/readyz").await.ends_with("\r\n\r\nlistener: closed\n"));
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let (mut registry, counter) = (Registry::default(), Counter::<u64>::default());
    registry.register("chatcluster_things", "Things", counter.clone());
    counter.inc();
    let answer = start(registry).await.get("/metrics").await;
    assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
    assert!(answer.contains("chatcluster_things_total 1\n# EOF\n"), "{answer}");
}

#[tokio::test]
async fn an_open_connection_does_not_hold_up_the_end() {
    let admin = start(Registry::default()).await;
    let _idle = TcpStream::connect(admin.address).await.unwrap();
    admin.get("/livez").await;
    admin.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), admin.task).await;
    ended.expect("it ends").unwrap().unwrap();
}
