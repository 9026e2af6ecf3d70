use std::time::Duration;

use chatcluster_testkit::wait_until;
use serde_json::json;

use crate::{
    client::Client,
    world::{DEADLINE, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_crosses_two_gateways_and_its_receipt_comes_back() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut bob = world.login(two.client, "bob", "laptop").await;

    let id = alice.send("r-1", "bob", "hello, bob").await;
    let sent = alice.until("sent").await;
    assert_eq!((&sent["id"], &sent["ref"]), (&json!(id), &json!("r-1")));
    let message = bob.expect("message").await;
    assert_eq!(message["content"], json!({"type": "text/plain", "body": "hello, bob"}));
    assert_eq!((&message["from"], &message["message"]), (&json!("alice"), &sent["message"]));

    bob.ack(&message).await;
    let receipt = alice.expect("receipt").await;
    assert_eq!(receipt["kind"], "delivered");
    assert_eq!((&receipt["user"], &receipt["up_to"]), (&json!("bob"), &sent["message"]));
    alice.ack_receipt(&receipt).await;
    bob.quiet().await;
    // Both came by delivery. Had probes found them in the inboxes, these would be zero.
    for gateway in [&one, &two] {
        wait_until("a delivery is counted", DEADLINE, async || {
            gateway.figure("deliveries_total{kind=\"queued\"}").await == 1.0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_device_sends_reaches_the_users_other_ones() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut phone = world.login(one.client, "alice", "phone").await;
    let mut laptop = world.login(two.client, "alice", "laptop").await;
    let tablet = world.login(two.client, "alice", "tablet").await;
    drop(tablet);

    phone.send("r-1", "bob", "hello, bob").await;
    let sent = phone.until("sent").await;
    let mut tablet = Client::connect(one.client).await;
    tablet.hello(&world.token("alice"), "tablet").await;
    tablet.expect("welcome").await;
    for other in [&mut laptop, &mut tablet] {
        let message = other.expect("message").await;
        assert_eq!((&message["from"], &message["message"]), (&json!("alice"), &sent["message"]));
        assert_eq!(message["to"], json!({"user": "bob"}));
        other.ack(&message).await;
    }
    tablet.expect("caught_up").await;
    // Nobody is told that a device of their own has it.
    for device in [&mut phone, &mut laptop, &mut tablet] {
        device.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_is_told_to_the_sender_and_to_the_readers_other_devices() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut bob = world.login(two.client, "bob", "laptop").await;
    let mut phone = world.login(one.client, "bob", "phone").await;
    alice.send("r-1", "bob", "hello, bob").await;
    let sent = alice.until("sent").await;
    for device in [&mut bob, &mut phone] {
        let message = device.expect("message").await;
        device.ack(&message).await;
    }
    let delivered = alice.expect("receipt").await;
    alice.ack_receipt(&delivered).await;

    let (conversation, up_to) = (&sent["conversation"], &sent["message"]);
    let read = json!({"type": "read", "id": 7, "conversation": conversation, "up_to": up_to});
    bob.text(&read.to_string()).await;
    let marked = bob.expect("marked").await;
    assert_eq!((&marked["id"], &marked["up_to"]), (&json!(7), up_to));
    for device in [&mut alice, &mut phone] {
        let receipt = device.expect("receipt").await;
        assert_eq!((&receipt["kind"], &receipt["user"]), (&json!("read"), &json!("bob")));
        assert_eq!((&receipt["conversation"], &receipt["up_to"]), (conversation, up_to));
        device.ack_receipt(&receipt).await;
        device.quiet().await;
    }
    // Both came by delivery, like the message and the receipt before, and not by a probe. Which of bob's
    // gateways has delivered that receipt depends on whose acknowledgement came first.
    wait_until("deliveries are counted", DEADLINE, async || {
        let queued = "deliveries_total{kind=\"queued\"}";
        one.figure(queued).await + two.figure(queued).await == 5.0
    })
    .await;
    // Once more: everybody knows.
    bob.text(&read.to_string()).await;
    bob.expect("marked").await;
    for device in [&mut bob, &mut alice, &mut phone] {
        device.quiet().await;
    }
    // Of what others say to each other nobody marks anything.
    let mut eve = world.login(one.client, "eve", "phone").await;
    eve.text(&read.to_string()).await;
    assert_eq!(eve.expect("error").await["code"], "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_offline_waits_and_is_pushed_on_the_other_gateway() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let bob = world.login(two.client, "bob", "laptop").await;
    drop(bob);
    let mut alice = world.login(one.client, "alice", "phone").await;
    for reference in ["a", "b", "c"] {
        alice.send(reference, "bob", reference).await;
        alice.until("sent").await;
    }
    let mut bob = Client::connect(one.client).await;
    bob.hello(&world.token("bob"), "laptop").await;
    bob.expect("welcome").await;
    let mut before = String::new();
    for body in ["a", "b", "c"] {
        let message = bob.expect("message").await;
        assert_eq!(message["content"]["body"], body);
        let id = message["message"].as_str().unwrap().to_owned();
        assert!(id > before, "ids rise in the order sent");
        before = id;
        bob.ack(&message).await;
    }
    bob.expect("caught_up").await;
    assert_eq!(alice.until("receipt").await["user"], "bob");
    // What was acknowledged is not pushed again.
    drop(bob);
    world.login(two.client, "bob", "laptop").await.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newer_connection_of_a_device_takes_over_on_any_gateway() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    for (first, second) in [(one.client, one.client), (one.client, two.client)] {
        let mut older = world.login(first, "bob", "phone").await;
        let mut newer = world.login(second, "bob", "phone").await;
        assert_eq!(older.closed().await, Some(4204));
        let mut alice = world.login(one.client, "alice", "phone").await;
        alice.send(&format!("to-{second}"), "bob", "which of you?").await;
        let message = newer.until("message").await;
        newer.ack(&message).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_has_moved_is_found_although_its_old_route_is_remembered() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let three = world.gateway("three").await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    // To another gateway, back, and to another connection of the same one.
    for (n, at) in [two.client, three.client, two.client, two.client].into_iter().enumerate() {
        let mut bob = world.login(at, "bob", "phone").await;
        alice.send(&format!("to-{n}"), "bob", "where are you?").await;
        let sent = alice.until("sent").await;
        assert_eq!(bob.until("message").await["message"], sent["message"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_reference_makes_one_message() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut bob = world.login(two.client, "bob", "phone").await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    alice.send("same", "bob", "once").await;
    let first = alice.until("sent").await;
    drop(alice);
    let mut alice = world.login(two.client, "alice", "phone").await;
    alice.send("same", "bob", "once").await;
    assert_eq!(alice.until("sent").await["message"], first["message"]);
    alice.send("same", "bob", "twice").await;
    assert_eq!(alice.until("error").await["code"], "reference_conflict");
    let message = bob.expect("message").await;
    assert_eq!(message["message"], first["message"]);
    bob.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_for_those_who_take_part() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    world.login(one.client, "bob", "phone").await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    alice.send("h-1", "bob", "for the record").await;
    let sent = alice.until("sent").await;
    alice.request(json!({"type": "history", "user": "bob"})).await;
    let page = alice.until("history").await;
    assert_eq!(page["messages"][0]["message"], sent["message"]);
    let mut eve = world.login(one.client, "eve", "phone").await;
    eve.request(json!({"type": "history", "conversation": sent["conversation"]})).await;
    assert_eq!(eve.until("error").await["code"], "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_looked_through_by_type_sender_and_time() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut sent = Vec::new();
    for (reference, kind) in [("h-1", "text/plain"), ("h-2", "image/png"), ("h-3", "image/png")] {
        let content = json!({"type": kind, "body": reference});
        let to = json!({"user": "bob"});
        alice
            .request(json!({"type": "send", "ref": reference, "to": to, "content": content}))
            .await;
        sent.push(alice.until("sent").await);
    }
    let (at, id) = (&sent[1]["at"], &sent[1]["message"]);
    for (filter, wanted) in [
        (json!({"content_type": "image/*"}), &["h-3", "h-2"][..]),
        (json!({"content_type": "image/*", "before": sent[2]["message"]}), &["h-2"]),
        (json!({"content_type": "text/plain"}), &["h-1"]),
        (json!({"sender": "alice", "since": at, "after": id}), &["h-3"]),
        (json!({"sender": "bob", "since": 0}), &[]),
        (json!({"until": 1_700_000_000_000_u64}), &[]),
    ] {
        let mut history = json!({"type": "history", "user": "bob"});
        history.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        alice.request(history).await;
        let page = alice.until("history").await;
        let came = page["messages"].as_array().unwrap().iter();
        let came: Vec<_> = came.map(|one| one["content"]["body"].as_str().unwrap()).collect();
        assert_eq!(came, wanted, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_message_service_is_away_sends_say_so_and_later_succeed() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let mut bob = world.login(one.client, "bob", "phone").await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    world.kill_messages().await;
    alice.send("s", "bob", "still there?").await;
    let error = alice.until("error").await;
    assert_eq!((&error["code"], &error["temporary"]), (&json!("unavailable"), &json!(true)));
    assert_eq!(error["ref"], "s");
    let mut carol = Client::connect(one.client).await;
    carol.hello(&world.token("carol"), "phone").await;
    assert_eq!(carol.until("error").await["code"], "unavailable");
    assert_eq!(carol.closed().await, Some(4103));
    world.start_messages();
    let sent = async {
        loop {
            alice.send("s", "bob", "still there?").await;
            let frame = alice.next().await;
            if frame["type"] == "sent" {
                return frame;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let sent = tokio::time::timeout(DEADLINE, sent).await.unwrap();
    assert_eq!(bob.until("message").await["message"], sent["message"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_manager_is_away_clients_are_welcome_and_what_they_send_is_stored() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut bob = world.login(two.client, "bob", "phone").await;
    world.manager.set_away(true);
    let mut alice = world.login(one.client, "alice", "phone").await;
    alice.send("m", "bob", "no directory").await;
    let sent = alice.until("sent").await;
    assert!(crate::client::get(one.admin, "/readyz").await.starts_with("HTTP/1.1 200"));
    world.manager.set_away(false);
    let message = bob.until("message").await;
    assert_eq!(message["message"], sent["message"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_asks_its_clients_to_move_and_ends() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut bob = world.login(one.client, "bob", "phone").await;
    let at = one.client;
    let stopping = tokio::spawn(one.stop());
    let reconnect = bob.expect("reconnect").await;
    assert_eq!(reconnect["reason"], "draining");
    wait_until("new connections are refused", DEADLINE, async || {
        Client::try_connect(at).await.is_err()
    })
    .await;
    // The session goes on until the client has moved: then the old one is replaced.
    let mut moved = world.login(two.client, "bob", "phone").await;
    assert_eq!(bob.closed().await, Some(4204));
    stopping.await.unwrap().unwrap();
    let mut alice = world.login(two.client, "alice", "phone").await;
    alice.send("after", "bob", "moved?").await;
    moved.until("message").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_reaches_those_who_are_connected_and_nobody_later() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut desk = world.login(one.client, "alice", "desk").await;
    let mut near = world.login(one.client, "bob", "phone").await;
    let mut far = world.login(two.client, "bob", "laptop").await;
    drop(world.login(two.client, "bob", "tablet").await);
    let typing = |active: bool| {
        json!({"type": "typing", "to": {"user": "bob"}, "active": active}).to_string()
    };
    for (active, expires_in) in [(true, 6_000), (false, 0)] {
        alice.text(&typing(active)).await;
        for bob in [&mut near, &mut far] {
            let came = bob.expect("typing").await;
            assert_eq!((&came["from"], &came["expires_in"]), (&json!("alice"), &json!(expires_in)));
        }
    }
    alice.text(&typing(true).replace("bob", "alice")).await;
    alice.send("r-1", "bob", "hello, bob").await;
    alice.until("sent").await;
    for client in [&mut desk, &mut near, &mut far] {
        client.expect("message").await;
        client.quiet().await;
    }
    let mut tablet = Client::connect(two.client).await;
    tablet.hello(&world.token("bob"), "tablet").await;
    tablet.expect("welcome").await;
    tablet.expect("message").await;
    tablet.expect("caught_up").await;
    tablet.quiet().await;
    wait_until("what was shown is counted", DEADLINE, async || {
        let shown = "typing_total{kind=\"shown\"}";
        (one.figure(shown).await, two.figure(shown).await) == (2.0, 2.0)
    })
    .await;
}
