//! What one user may ask of a gateway, and how often one address may knock.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use chatcluster_client::{Client as RealClient, Config, TokenSource};
use chatcluster_config::Limits;
use chatcluster_protocol::client::{Content, Recipient};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    client::Client,
    world::{Gateway, World},
};

async fn limited(world: &World, limits: Limits) -> Gateway {
    let mut config = world.config("one");
    config.limits = limits;
    world.run(config, world.manager.clone()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_beyond_the_rate_is_told_when_to_come_again_and_others_are_not() {
    let world = World::new().await;
    let limits = Limits { sends_per_second: 1, send_burst: 5, ..Limits::none() };
    let one = limited(&world, limits).await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut carol = world.login(one.client, "carol", "phone").await;
    for n in 0..8 {
        alice.send(&format!("r{n}"), "bob", "hi").await;
    }
    let mut refused = Vec::new();
    for _ in 0..8 {
        let answer = alice.next().await;
        if answer["type"] == "error" {
            assert_eq!(
                (&answer["code"], &answer["temporary"]),
                (&json!("rate_limited"), &json!(true))
            );
            let wait = answer["retry_after"].as_u64().unwrap();
            assert!((1..=1_000).contains(&wait), "{answer}");
            refused.push(answer["ref"].clone());
        }
    }
    assert_eq!(refused, ["r5", "r6", "r7"]);
    // Another connection of hers has no more; others have theirs.
    let mut tablet = world.login(one.client, "alice", "tablet").await;
    tablet.send("t0", "bob", "hi").await;
    assert_eq!(tablet.until("error").await["code"], "rate_limited");
    carol.send("r0", "bob", "hi").await;
    carol.expect("sent").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    alice.send("r5", "bob", "hi").await;
    assert_eq!(alice.until("sent").await["ref"], "r5");
    assert_eq!(one.figure("rate_limited_total").await, 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_writes_faster_gets_everything_through_in_order() {
    let world = World::new().await;
    let limits = Limits { sends_per_second: 50, send_burst: 50, ..Limits::none() };
    let one = limited(&world, limits).await;
    let mut bob = world.login(one.client, "bob", "phone").await;
    let token = TokenSource::fixed(world.token("alice"));
    let endpoint = format!("ws://{}", one.client);
    let config = Config::new(vec![endpoint], "phone".parse().unwrap(), token);
    let (alice, _events) = RealClient::connect(config).unwrap();
    let began = Instant::now();
    let mut tickets = Vec::new();
    for n in 0..200 {
        let to = Recipient::User("bob".parse().unwrap());
        tickets.push(alice.send(to, Content::text(n.to_string()).unwrap()).await);
    }
    for n in 0..200 {
        let message = bob.until("message").await;
        assert_eq!(message["content"]["body"], n.to_string());
        bob.ack(&message).await;
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
    let took = began.elapsed();
    // 150 at 50 a second.
    assert!((Duration::from_millis(2_900)..Duration::from_secs(30)).contains(&took), "{took:?}");
    assert!(one.figure("rate_limited_total").await >= 10.0);
}

/// What an address gets at the door: the head of the answer, or nothing.
async fn knock(from: [u8; 4], at: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::from(from), 0).into()).unwrap();
    let mut stream: TcpStream = socket.connect(at).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {at}\r\n\r\n");
    // One that is closed at once may be so before this.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_beyond_its_connections_gets_429_and_then_no_answer() {
    let world = World::new().await;
    let limits =
        Limits { connections_per_second_per_address: 1, connection_burst: 10, ..Limits::none() };
    let one = limited(&world, limits).await;
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(knock([127, 0, 0, 2], one.client).await);
    }
    let with = |head: &str| answers.iter().filter(|answer| answer.starts_with(head)).count();
    let (taken, told) = (with("HTTP/1.1 426 "), with("HTTP/1.1 429 "));
    let silent = answers.iter().filter(|answer| answer.is_empty()).count();
    assert!((10..15).contains(&taken) && (9..20).contains(&told), "{taken}, {told}");
    assert_eq!(taken + told + silent, 40);
    let head = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 429 ")).unwrap();
    assert!(head.contains("\r\nretry-after: 1\r\n"), "{head}");
    assert_eq!(one.figure("refused_total{kind=\"address\"}").await, told as f64);
    // Others come in, and a second later so does this one.
    world.login(one.client, "alice", "phone").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(knock([127, 0, 0, 2], one.client).await.starts_with("HTTP/1.1 426 "));
    assert!(Client::try_connect(one.client).await.is_ok());
}
