//! The program itself, as a process: killed, stopped, and with a real Redis Cluster.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use chatcluster_config::ManagerHome;
use chatcluster_testkit::{Process, redis::RedisCluster, wait_for, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    client::{Client, figure},
    programs::Program,
    world::{DEADLINE, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_drains_and_ends_with_zero() {
    let world = World::new().await;
    let mut one = Program::gateway(&world, "one", ManagerHome::Memory).await;
    let mut bob = world.login(one.client, "bob", "phone").await;
    one.process.signal(Signal::SIGTERM);
    assert_eq!(bob.expect("reconnect").await["reason"], "draining");
    drop(bob);
    let ended = wait_for("the process ends", DEADLINE, async || one.process.ended()).await;
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let world = World::new().await;
    let mut one = Program::gateway(&world, "one", ManagerHome::Memory).await;
    let mut bob = world.login(one.client, "bob", "phone").await;
    one.process.signal(Signal::SIGTERM);
    bob.expect("reconnect").await;
    one.process.signal(Signal::SIGTERM);
    let ended = wait_for("the process ends", DEADLINE, async || one.process.ended()).await;
    assert!(!ended.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_named_with_its_line() {
    let world = World::new().await;
    let file = world.folder.path().join("wrong.yaml");
    let text = serde_yaml::to_string(&world.config("one")).unwrap();
    std::fs::write(&file, text.replace("heartbeat", "heartbeet")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-gateway"));
    command.arg("--config").arg(&file);
    let mut process = Process::start("wrong", &command);
    let ended = wait_for("the process ends", DEADLINE, async || process.ended()).await;
    assert!(!ended.success());
    assert!(process.output().contains("heartbeet"), "{}", process.output());
}

/// Opens this many connections, a quarter of each kind, and abandons all of them.
async fn storm(world: &World, at: SocketAddr, count: usize) {
    let mut opened = Vec::new();
    let mut sessions = Vec::new();
    for n in 0..count {
        match n % 4 {
            0 => opened.push(TcpStream::connect(at).await.unwrap()),
            1 => {
                let mut stream = TcpStream::connect(at).await.unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: x").await.unwrap();
                opened.push(stream);
            }
            2 => sessions.push(Client::connect(at).await),
            _ => {
                let mut client = Client::connect(at).await;
                client.hello(&world.token("mallory"), &format!("d{}", n % 8)).await;
                sessions.push(client);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_connections_opened_and_abandoned_leave_nothing_behind() {
    const ROUND: usize = 600;
    let world = World::new().await;
    let one = Program::gateway(&world, "one", ManagerHome::Memory).await;
    let mut honest = world.login(one.client, "alice", "phone").await;
    let mut memory = Vec::new();
    for _ in 0..7 {
        let storm = storm(&world, one.client, ROUND);
        let others = async {
            for _ in 0..10 {
                let asked = Instant::now();
                honest.request(json!({"type": "ping"})).await;
                honest.until("pong").await;
                assert!(asked.elapsed() < Duration::from_secs(3), "others notice it");
            }
        };
        tokio::join!(storm, others);
        wait_until("all of them are gone", DEADLINE, async || {
            figure(one.admin, "connections").await == 1.0
        })
        .await;
        memory.push(one.memory());
    }
    println!("memory after each round of {ROUND}: {memory:?} KiB");
    // The first rounds fill what a program keeps for the next ones.
    let grown = memory[6].saturating_sub(memory[1]);
    assert!(grown < 5 * ROUND as u64 / 2, "{grown} KiB for {} connections", 5 * ROUND);
}

/// A sender that keeps each message until it is answered, over whatever gateway lives.
async fn send_all(world: &World, gateways: &[SocketAddr], count: usize) -> BTreeSet<String> {
    let (mut unanswered, mut sent) = ((0..count).collect::<BTreeSet<_>>(), BTreeSet::new());
    for at in gateways.iter().cycle() {
        let Some(mut alice) = log_in(world, *at, "alice").await else { continue };
        'connection: loop {
            let batch: Vec<_> = unanswered.iter().copied().take(16).collect();
            if batch.is_empty() {
                return sent;
            }
            let mut waiting = batch.len();
            for n in batch {
                let frame = serde_json::json!({
                    "type": "send", "id": n, "ref": format!("k-{n}"), "to": {"user": "bob"},
                    "content": {"body": n.to_string()},
                });
                let text = frame.to_string();
                use futures_util::SinkExt;
                let message = tokio_tungstenite::tungstenite::Message::text(text);
                if alice.socket.send(message).await.is_err() {
                    break 'connection;
                }
            }
            while waiting > 0 {
                match alice.next_or_close().await {
                    Ok(frame) if frame["type"] == "sent" => {
                        waiting -= 1;
                        unanswered.remove(&(frame["id"].as_u64().unwrap() as usize));
                        sent.insert(frame["message"].as_str().unwrap().to_owned());
                    }
                    Ok(frame) if frame["type"] == "error" => waiting -= 1,
                    Ok(_) => {}
                    Err(_) => break 'connection,
                }
            }
        }
    }
    sent
}

async fn log_in(world: &World, at: SocketAddr, user: &str) -> Option<Client> {
    let mut client = Client::try_connect(at).await.ok()?;
    client.hello(&world.token(user), "phone").await;
    loop {
        match client.next_or_close().await {
            Ok(frame) if frame["type"] == "welcome" => return Some(client),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// The identity of a message: its low 62 bits, which all copies of one send share.
fn identity(message: &Value) -> String {
    message["message"].as_str().unwrap()[19..].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_in_the_middle_of_sends_loses_nothing_acknowledged() {
    let world = World::new().await;
    let redis = RedisCluster::start(3, 0).await;
    let home = || ManagerHome::Redis { nodes: redis.addresses() };
    let mut one = Program::gateway(&world, "one", home()).await;
    let two = Program::gateway(&world, "two", home()).await;
    let mut bob = world.login(two.client, "bob", "phone").await;

    const COUNT: usize = 400;
    let gateways = [one.client, two.client];
    let receive = async {
        let mut seen = BTreeSet::new();
        let mut bodies = BTreeSet::new();
        while bodies.len() < COUNT {
            let message = bob.until("message").await;
            bob.ack(&message).await;
            assert!(seen.insert(identity(&message)), "pushed twice: {message}");
            bodies.insert(message["content"]["body"].as_str().unwrap().to_owned());
            if bodies.len() == COUNT / 4 {
                one.process.kill();
            }
        }
        seen
    };
    let (sent, seen) = tokio::join!(send_all(&world, &gateways, COUNT), receive);
    assert_eq!(sent.len(), COUNT, "every send is answered in the end");
    for message in &sent {
        assert!(seen.contains(&message[19..]), "acknowledged and lost: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_all_of_redis_hangs_sends_are_stored_and_they_are_delivered_when_it_is_back() {
    let world = World::new().await;
    let redis = RedisCluster::start(3, 0).await;
    let home = || ManagerHome::Redis { nodes: redis.addresses() };
    let one = Program::gateway(&world, "one", home()).await;
    let two = Program::gateway(&world, "two", home()).await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut bob = world.login(two.client, "bob", "phone").await;
    for node in redis.nodes() {
        node.pause();
    }
    alice.send("dark", "bob", "no directory at all").await;
    let sent = alice.until("sent").await;
    for node in redis.nodes() {
        node.resume();
    }
    let message = bob.until("message").await;
    assert_eq!(message["message"], sent["message"]);
}
