use std::time::Duration;

use chatcluster_testkit::wait_until;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::{
    client::Client,
    world::{DEADLINE, SECRET, World, now, signed},
};

/// One thing that a hostile client does, and the close code that it gets.
async fn ends_with(client: &mut Client, what: &str, expected: u16) {
    assert_eq!(client.closed().await, Some(expected), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_websocket_has_its_close_code() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let data = |data, payload: Vec<u8>, last| Frame::message(payload, OpCode::Data(data), last);
    let cases = [
        ("a frame over the limit", data(Data::Text, vec![b'x'; 65_537], true), 1009),
        ("invalid UTF-8", data(Data::Text, vec![b'"', 0xff, 0xfe, b'"'], true), 1007),
        ("a continuation of nothing", data(Data::Continue, vec![b'x'], true), 1002),
        ("a reserved opcode", data(Data::Reserved(5), vec![], true), 1002),
    ];
    for (what, frame, code) in cases {
        for logged_in in [false, true] {
            let mut client = match logged_in {
                true => world.login(one.client, "mallory", "phone").await,
                false => Client::connect(one.client).await,
            };
            client.socket.send(Message::Frame(frame.clone())).await.unwrap();
            ends_with(&mut client, what, code).await;
        }
    }
    let mut client = Client::connect(one.client).await;
    for kind in std::iter::once(Data::Text).chain([Data::Continue; 8]) {
        let part = data(kind, vec![b'x'; 8192], false);
        // It may be thrown out before the last part.
        let _ = client.socket.send(Message::Frame(part)).await;
    }
    ends_with(&mut client, "fragments without end", 1009).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_protocol_is_explained_and_closed() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let hello = |token: String| json!({"type": "hello", "id": 1, "token": token, "device": "d"});
    let good = hello(world.token("mallory"));
    let forged = good.to_string().replace("\"d\"", "\"e\"");
    let mut tampered = world.token("mallory");
    tampered.truncate(tampered.len() - 4);
    let unsigned = {
        let claims = world.token("mallory").split('.').nth(1).unwrap().to_owned();
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{claims}.")
    };
    let mine = json!({"sub": "mallory", "exp": u32::MAX});
    let elsewhere = json!({"sub": "mallory", "exp": u32::MAX, "aud": "another"});
    let bad = |token: String| vec![hello(token).to_string()];
    let cases: [(&str, Vec<String>, &str, u16); 11] = [
        ("no JSON", vec!["hello".into()], "bad_frame", 4202),
        (
            "no hello first",
            vec![json!({"type": "ping", "id": 1}).to_string()],
            "hello_expected",
            4202,
        ),
        ("hello twice", vec![good.to_string(), forged], "hello_repeated", 4202),
        ("a token that is none", bad("x.y.z".into()), "bad_token", 4200),
        ("a tampered token", bad(tampered), "bad_token", 4200),
        ("a token without a signature", bad(unsigned), "bad_token", 4200),
        ("a token of another key", bad(signed(&mine, &[7; 32])), "bad_token", 4200),
        ("a token for another service", bad(signed(&elsewhere, SECRET)), "bad_token", 4200),
        ("an expired token", bad(world.token_for("mallory", -5)), "token_expired", 4201),
        ("deep JSON", vec!["[".repeat(60_000)], "bad_frame", 4202),
        ("a user id with braces", bad(world.token("a{b}")), "bad_token", 4200),
    ];
    for (what, frames, code, close) in cases {
        let mut client = Client::connect(one.client).await;
        for frame in frames {
            client.text(&frame).await;
        }
        assert_eq!(client.until("error").await["code"], code, "{what}");
        ends_with(&mut client, what, close).await;
    }
    let mut client = Client::connect(one.client).await;
    client.socket.send(Message::binary(good.to_string())).await.unwrap();
    assert_eq!(client.until("error").await["code"], "bad_frame");
    ends_with(&mut client, "a binary frame", 4202).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_its_session_when_it_expires() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let mut client = Client::connect(one.client).await;
    client.hello(&world.token_for("bob", 2), "phone").await;
    client.expect("welcome").await;
    assert_eq!(client.until("error").await["code"], "token_expired");
    assert_eq!(client.closed().await, Some(4201));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_its_token_by_a_refresh() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let mut client = Client::connect(one.client).await;
    client.hello(&world.token_for("bob", 5), "phone").await;
    let first = client.expect("welcome").await["expires"].as_u64().unwrap();
    client.expect("caught_up").await;
    for (token, code) in [
        (world.token("alice"), "bad_token"),
        ("no.to.ken".into(), "bad_token"),
        (world.token_for("bob", -5), "token_expired"),
    ] {
        let id = client.request(json!({"type": "refresh", "token": token})).await;
        let error = client.expect("error").await;
        let got = (&error["code"], &error["field"], &error["id"]);
        assert_eq!(got, (&json!(code), &json!("token"), &json!(id)));
    }
    let id = client.request(json!({"type": "refresh", "token": world.token_for("bob", 7)})).await;
    let refreshed = client.expect("refreshed").await;
    assert_eq!(refreshed["id"], id);
    assert_eq!(client.expect("expiring").await["expires"], refreshed["expires"]);
    assert_eq!(client.expect("error").await["code"], "token_expired");
    assert_eq!(client.closed().await, Some(4201));
    assert!(now() > first + 1_000, "by the end of its first token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_of_an_honest_client_are_named_and_the_session_goes_on() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let mut client = world.login(one.client, "bob", "phone").await;
    let mistakes: [(Value, &str, Value); 3] = [
        (json!({"type": "dance"}), "unknown_type", Value::Null),
        (json!({"type": "send", "ref": "r", "content": {"body": ""}}), "bad_field", json!("to")),
        (json!({"type": "history", "user": "al ice"}), "bad_field", json!("user")),
    ];
    for (frame, code, field) in mistakes {
        let id = client.request(frame).await;
        let error = client.expect("error").await;
        let got = (&error["code"], &error["field"], &error["id"]);
        assert_eq!(got, (&json!(code), &field, &json!(id)));
    }
    client.request(json!({"type": "ping"})).await;
    client.expect("pong").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_dropped_and_others_notice_nothing() {
    let world = World::new().await;
    let mut config = world.config("one");
    config.client.heartbeat = chatcluster_config::GoDuration::from_secs(1);
    let one = world.run(config, world.manager.clone()).await;
    let mut honest = world.login(one.client, "alice", "phone").await;
    let mut deaf = world.login(one.client, "mallory", "phone").await;
    // It asks and asks, and reads no answer: first its socket fills, then ours, then we stop reading.
    let flood = tokio::spawn(async move {
        let ping = json!({"type": "ping", "id": 1}).to_string();
        while deaf.socket.send(Message::text(ping.clone())).await.is_ok() {}
    });
    let dropped = tokio::time::timeout(DEADLINE, flood);
    let mut dropped = std::pin::pin!(dropped);
    loop {
        tokio::select! {
            ended = &mut dropped => {
                ended.expect("it is never dropped").unwrap();
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                let asked = std::time::Instant::now();
                honest.request(json!({"type": "ping"})).await;
                honest.until("pong").await;
                assert!(asked.elapsed() < Duration::from_secs(3));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_gateway_says_so() {
    let world = World::new().await;
    let mut config = world.config("one");
    config.client.connections = 2;
    let one = world.run(config, world.manager.clone()).await;
    let first = world.login(one.client, "alice", "phone").await;
    let _second = world.login(one.client, "bob", "phone").await;
    let answer = crate::client::get(one.client, "/").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    assert!(Client::try_connect(one.client).await.is_err());
    drop(first);
    wait_until("there is room again", DEADLINE, async || {
        Client::try_connect(one.client).await.is_ok()
    })
    .await;
}
