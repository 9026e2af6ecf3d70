//! What takes 10 s or more by the protocol's own limits. Each test is one of them, and they run side by side.

use std::time::{Duration, Instant};

use chatcluster_manager::Manager;
use chatcluster_testkit::wait_until;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::Client,
    world::{DEADLINE, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_are_ended_after_ten_seconds() {
    let world = World::new().await;
    let mut config = world.config("one");
    config.client.tls = Some(world.certificates.server("wss").unwrap());
    let secure = world.run(config, world.manager.clone()).await;
    let plain = world.gateway("two").await;

    let started = Instant::now();
    let mut no_hello = Client::connect(plain.client).await;
    let mut no_handshake = TcpStream::connect(secure.client).await.unwrap();
    // The beginning of a ClientHello, and never the rest of it.
    no_handshake.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]).await.unwrap();
    let mut no_request = TcpStream::connect(plain.client).await.unwrap();
    no_request.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();

    let end_of = async |stream: &mut TcpStream| {
        let mut rest = Vec::new();
        let end = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "it was never ended");
    };
    let hello = async {
        assert_eq!(no_hello.until("error").await["code"], "hello_timeout");
        assert_eq!(no_hello.closed().await, Some(4203));
    };
    tokio::join!(hello, end_of(&mut no_handshake), end_of(&mut no_request));
    assert!(started.elapsed() >= Duration::from_secs(9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_socket_is_found_by_the_heartbeat() {
    let world = World::new().await;
    let mut config = world.config("one");
    config.client.heartbeat = chatcluster_config::GoDuration::from_millis(500);
    let one = world.run(config, world.manager.clone()).await;
    // Nobody reads or answers here, and the socket stays open: as after a cable was pulled.
    let mut gone = world.login(one.client, "bob", "phone").await;
    let mut there = world.login(one.client, "alice", "phone").await;
    let answering = tokio::spawn(async move {
        // Reading answers pings; that is all that this client does.
        while let Some(Ok(_)) = there.socket.next().await {}
    });
    wait_until("the silent one is dropped", DEADLINE, async || {
        one.figure("connections").await == 1.0
    })
    .await;
    assert!(!answering.is_finished(), "the one that answers stays");
    answering.abort();
    assert_eq!(gone.closed().await, None, "nobody says goodbye to the dead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_lost_everything_is_told_again_and_nothing_is_lost() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut bob = world.login(two.client, "bob", "phone").await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    world.manager.lose_everything();
    alice.send("lost", "bob", "where are you?").await;
    let sent = alice.until("sent").await;
    // Found by the claim that follows the next renewal of the lease, and the inbox read after it.
    assert_eq!(bob.until("message").await["message"], sent["message"]);
    let claimed_again = async || {
        let bob = "bob".parse().unwrap();
        let routes = Manager::routes(&world.manager, &[bob]).await.unwrap();
        !routes[0].is_empty()
    };
    wait_until("the route is back", DEADLINE, claimed_again).await;
}
