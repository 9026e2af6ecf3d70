use std::{cell::Cell, mem::size_of, sync::Arc};

use bytes::Bytes;
use chatcluster_config::{Auth, JwtAlgorithm, JwtKey};
use chatcluster_manager::MemoryManager;
use chatcluster_runtime::tls::{RoleCertificate, ServerStream};
use chatcluster_testkit::certificates::Certificates;
use futures_util::{SinkExt, StreamExt};
use gateway_core::{ConnectionId, drainer::DrainSettings};
use prometheus_client::registry::Registry;
use tokio::{net::TcpStream, task::yield_now};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::*;
use crate::{
    auth::{Keyring, Verifier},
    hub::Settings,
    messages::Service,
    metrics::Metrics,
};

/// A gateway that reaches nobody.
fn hub() -> Arc<Hub<MemoryManager>> {
    let certificates = Certificates::new().unwrap();
    let key = certificates.folder().join("token.key");
    std::fs::write(&key, "a secret of at least thirty-two bytes").unwrap();
    let keys = vec![JwtKey { algorithm: JwtAlgorithm::HS256, file: key, id: None }];
    let auth = Auth { keys, issuer: None, audience: None };
    let role = RoleCertificate::load(
        &certificates.role("one", chatcluster_config::Role::Gateway).unwrap(),
    )
    .unwrap();
    let second = Duration::from_secs(1);
    let settings = Settings {
        name: "one".into(),
        host: "127.0.0.1".into(),
        port: 1,
        heartbeat: 25 * second,
        connections: 10,
        limits: (&chatcluster_config::Limits::default()).into(),
        drain: DrainSettings { grace: second, rate_per_second: 1, timeout: second },
    };
    Hub::new(
        settings,
        MemoryManager::new(|| 0),
        Service::new("127.0.0.1:1", &role).unwrap(),
        role.connector(chatcluster_config::Role::Gateway, &[]).unwrap(),
        Verifier::new(&auth, Arc::new(Keyring::read(&auth.keys).unwrap())),
        None,
        Metrics::register(&mut Registry::default()),
    )
}

#[tokio::test]
async fn a_ping_that_meets_a_full_socket_is_sent_when_there_is_room() {
    let hub = hub();
    let (near, far) = tokio::io::duplex(256);
    let connection =
        Connection::new(Socket::new(near, Vec::new(), CLIENT_FRAME), hub.clone(), None);
    tokio::spawn(connection);
    let cell = hub.sessions().get(ConnectionId(1)).unwrap();
    let change = async |change: fn(&mut crate::sessions::Queue)| {
        change(&mut cell.lock().queue);
        cell.wake();
        // The connection's task gets its turn, more than once.
        for _ in 0..3 {
            yield_now().await;
        }
    };
    change(|queue| queue.frames.extend([Bytes::from("x".repeat(1000)), "last".into()])).await;
    change(|queue| queue.ping = true).await;
    let mut client = WebSocketStream::from_raw_socket(
        far,
        tokio_tungstenite::tungstenite::protocol::Role::Client,
        None,
    )
    .await;
    let mut next = async || client.next().await.unwrap().unwrap();
    assert_eq!(next().await, Message::text("x".repeat(1000)));
    assert_eq!(next().await, Message::text("last"));
    let ping = tokio::time::timeout(Duration::from_secs(10), next()).await;
    assert!(ping.expect("the ping is lost").is_ping());
}

#[tokio::test]
async fn a_client_that_takes_no_answers_is_not_read_from() {
    let hub = hub();
    let (near, far) = tokio::io::duplex(256);
    tokio::spawn(Connection::new(Socket::new(near, Vec::new(), CLIENT_FRAME), hub, None));
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut client = WebSocketStream::from_raw_socket(far, role, None).await;
    // Each ping wants a pong, and none is read.
    let taken = Cell::new(0);
    let flood = async {
        while taken.get() < 10_000 {
            client.send(Message::Ping(Bytes::from_static(&[0; 100]))).await.unwrap();
            taken.set(taken.get() + 1);
        }
    };
    let mut flood = std::pin::pin!(flood);
    for _ in 0..1000 {
        assert!(futures_util::poll!(&mut flood).is_pending(), "everything was taken");
        yield_now().await;
    }
    assert!(taken.get() < 500, "{}", taken.get());
}

/// Every idle connection holds its task, so its size is what a gateway of a hundred thousand users
/// pays first. A change that makes it grow wants a reason.
#[test]
fn the_task_of_a_connection_is_small() {
    let plain = size_of::<Connection<TcpStream, MemoryManager>>();
    let tls = size_of::<Connection<ServerStream<TcpStream>, MemoryManager>>();
    println!("task of a connection: {plain} bytes, over TLS {tls} bytes");
    assert!(plain <= 192 && tls <= 192, "{plain} {tls}");
}
