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
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, figure},
    people::{Counts, Device, Sender, identity},
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_share_a_file_have_their_names_by_arguments() {
    let world = World::new().await;
    let file = world.folder.path().join("shared.yaml");
    let mut config = world.config("");
    config.peer.host.clear();
    std::fs::write(&file, serde_yaml::to_string(&config).unwrap()).unwrap();
    for (arguments, says) in [
        (&[][..], "name: neither the file nor --name says it"),
        (&["--name=one"], "peer.host: neither the file nor --host says it"),
        (&["--name=one", "--host=127.0.0.1"], "\"name\":\"one\""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-gateway"));
        command.arg("--config").arg(&file).args(arguments);
        let process = Process::start("shared", &command);
        wait_until(says, DEADLINE, async || process.output().contains(says)).await;
    }
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
    const ROUNDS: usize = 11;
    let world = World::new().await;
    let one = Program::gateway(&world, "one", ManagerHome::Memory).await;
    let mut honest = world.login(one.client, "alice", "phone").await;
    let mut memory = Vec::new();
    for _ in 0..ROUNDS {
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
    // What is left behind grows with every round; an allocator's own needs come once in a while.
    let mut grown: Vec<_> = memory.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    grown.sort_unstable();
    let median = grown[grown.len() / 2];
    assert!(median < ROUND as u64 / 6, "{median} KiB for {ROUND} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_in_the_middle_of_sends_loses_nothing_acknowledged() {
    let world = World::new().await;
    let redis = RedisCluster::start(3, 0).await;
    let home = || ManagerHome::Redis { nodes: redis.addresses() };
    let mut one = Program::gateway(&world, "one", home()).await;
    let two = Program::gateway(&world, "two", home()).await;
    // He stays, and gets everything on the connection that he has.
    let mut bob = world.login(two.client, "bob", "phone").await;

    let (counts, enough) = (Counts::default(), CancellationToken::new());
    let alice = Device::new(&world, &counts, [two.client, one.client], "alice", "phone");
    let mut seen = BTreeSet::new();
    let mut receive = async || {
        let message = bob.until("message").await;
        bob.ack(&message).await;
        let identity = identity(message["message"].as_str().unwrap()).to_owned();
        assert!(seen.insert(identity), "pushed twice: {message}");
        seen.len()
    };
    let receiving = async {
        while receive().await < 100 {}
        one.process.kill();
        while receive().await < 400 {}
        enough.cancel();
    };
    let (alice, ()) = tokio::join!(Sender::new(alice, &["bob"]).send(&enough), receiving);
    while receive().await < alice.sent.len() {}
    for id in alice.sent.values() {
        assert!(seen.contains(identity(id)), "acknowledged and lost: {id}");
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
