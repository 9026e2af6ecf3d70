//! Everything is killed in the middle of sends, again and again: gateways, the message service, devices.

use std::{sync::atomic::Ordering::Relaxed, time::Instant};

use chatcluster_config::ManagerHome;
use chatcluster_testkit::{redis::RedisCluster, wait_until};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    people::{Counts, Device, Sender},
    programs::Program,
    world::{DEADLINE, World},
};

/// What is killed at the same moment, in turn: gateways by their place, and the message service.
const VICTIMS: [&[usize]; 5] = [&[0], &[MESSAGES], &[1, MESSAGES], &[0, 1], &[MESSAGES]];
const MESSAGES: usize = 2;

/// How often.
const KILLS: usize = 25;

/// Answered sends from one kill to the next, all devices together.
const BETWEEN: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_in_the_middle_of_sends_nothing_is_lost_twice_or_out_of_order() {
    let world = World::without_messages();
    let redis = RedisCluster::start(3, 0).await;
    let home = || ManagerHome::Redis { nodes: redis.addresses() };
    let messages = Program::messages(&world).await;
    let one = Program::gateway(&world, "one", home()).await;
    let two = Program::gateway(&world, "two", home()).await;
    let gateways = [one.client, two.client];
    let mut programs = [one, two, messages];

    let counts = Counts::default();
    let device = |user, name| Device::new(&world, &counts, gateways, user, name);
    let readers = [("bob", "phone"), ("bob", "laptop"), ("carol", "phone")];
    let mut readers: Vec<_> = readers.map(|(user, name)| device(user, name)).into();
    // They are known before anything is sent.
    for reader in &mut readers {
        reader.connect().await;
    }
    let senders =
        ["alice", "dave", "erin"].map(|user| Sender::new(device(user, "phone"), &["bob", "carol"]));
    let (enough, over) = (CancellationToken::new(), CancellationToken::new());
    let started = Instant::now();
    let kill = async {
        for round in 0..KILLS {
            let before = counts.sent.load(Relaxed);
            wait_until("sends are answered", DEADLINE, async || {
                counts.sent.load(Relaxed) >= before + BETWEEN
            })
            .await;
            let victims = VICTIMS[round % VICTIMS.len()];
            for victim in victims {
                programs[*victim].process.kill();
            }
            for victim in victims {
                programs[*victim].restart().await;
            }
        }
        enough.cancel();
    };
    let send = async {
        let senders = join_all(senders.map(|sender| sender.send(&enough))).await;
        over.cancel();
        senders
    };
    let read = join_all(readers.into_iter().map(|reader| reader.read(&[40, 3, 90, 17], &over)));
    let ((), (senders, mut readers)) = join(kill, join(send, read)).await;
    for reader in &mut readers {
        let rest = tokio::time::timeout(DEADLINE, reader.read_the_rest()).await;
        assert!(rest.is_ok(), "the inbox of {} {} is never empty", reader.user, reader.name);
    }
    println!("{KILLS} times killed in {:.1?}: {counts:?}", started.elapsed());

    for mut sender in senders {
        for to in sender.to {
            let sent = conversation(&sender, to);
            for reader in readers.iter().filter(|reader| reader.user == *to) {
                assert_eq!(shown(reader, &sender), sent, "{} {}", reader.user, reader.name);
            }
            assert_eq!(history(&mut sender, to).await, sent, "{} with {to}", sender.device.user);
        }
    }
}

type Conversation = Vec<(String, String)>;

/// What was acknowledged to a sender, in the order of sending; its ids rise.
fn conversation(sender: &Sender<'_>, to: &str) -> Conversation {
    let of_it = sender.sent.iter().filter(|(number, _)| sender.recipient(**number) == to);
    let sent: Conversation = of_it.map(|(number, id)| (id.clone(), sender.body(*number))).collect();
    assert!(sent.is_sorted(), "ids do not follow the order of sending: {sent:?}");
    sent
}

/// What a device shows of a sender, by id.
fn shown(reader: &Device<'_>, sender: &Sender<'_>) -> Conversation {
    let prefix = format!("{} ", sender.device.user);
    let of_it = reader.kept.values().filter(|(_, body)| body.starts_with(&prefix));
    let mut shown: Conversation = of_it.cloned().collect();
    shown.sort_unstable();
    shown
}

/// What the archive has of a conversation, oldest first.
async fn history(sender: &mut Sender<'_>, with: &str) -> Conversation {
    let mut client = sender.device.connect().await;
    let (mut archived, mut before) = (Conversation::new(), Value::Null);
    loop {
        let request = json!({"type": "history", "user": with, "limit": 100, "before": before});
        client.request(request).await;
        let page = client.until("history").await;
        for message in page["messages"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            archived.push((text(&message["message"]), text(&message["content"]["body"])));
        }
        before = page["next"].clone();
        if before.is_null() {
            archived.reverse();
            return archived;
        }
    }
}
