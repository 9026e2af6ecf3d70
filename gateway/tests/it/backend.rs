//! What backends ask gateways for, over HTTP.

use std::{collections::BTreeSet, net::SocketAddr};

use chatcluster_protocol::id::{DeviceId, UserId};
use chatcluster_testkit::wait_until;
use futures_util::future::join_all;
use messages_core::repository::{InboxCursor, Repository};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{AUDIENCE, DEADLINE, SECRET, World, now, signed};

/// Deliveries that reached a session.
const DELIVERED: &str = "deliveries_total{kind=\"queued\"}";

/// Status and body of an answer.
type Answer = (u16, Value);

fn token(scope: &str) -> String {
    let exp = now() / 1000 + 600;
    signed(&json!({"aud": AUDIENCE, "exp": exp, "scope": scope}), SECRET)
}

async fn ask(at: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: Bearer {token}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn send(at: SocketAddr, message: &Value) -> Answer {
    ask(at, "POST", "/v1/messages", &token("messages:send"), &message.to_string()).await
}

fn hello(reference: &str) -> Value {
    json!({"from": "alice", "ref": reference, "to": {"user": "bob"}, "content": {"body": "hello"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_sends_as_a_user_to_devices_at_all_gateways() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut bob = world.login(two.client, "bob", "phone").await;
    let mut alice = world.login(two.client, "alice", "phone").await;

    let (status, sent) = send(one.backend, &hello("r-1")).await;
    assert_eq!(status, 201, "{sent}");
    for client in [&mut bob, &mut alice] {
        let message = client.expect("message").await;
        assert_eq!((&message["from"], &message["device"]), (&json!("alice"), &json!("backend")));
        assert_eq!(message["content"], json!({"type": "text/plain", "body": "hello"}));
        for field in ["message", "conversation", "at"] {
            assert_eq!(message[field], sent[field], "{field}");
        }
        client.ack(&message).await;
    }
    // Both came by delivery, and not by a probe.
    wait_until("deliveries are counted", DEADLINE, async || one.figure(DELIVERED).await == 2.0)
        .await;
    // Her devices are told that it arrived, as with any message of hers.
    let receipt = alice.expect("receipt").await;
    assert_eq!((&receipt["kind"], &receipt["up_to"]), (&json!("delivered"), &sent["message"]));

    // The same again, wherever, is the same message; other content is none.
    assert_eq!(send(two.backend, &hello("r-1")).await, (201, sent));
    let other =
        json!({"ref": "r-1", "from": "alice", "to": {"user": "bob"}, "content": {"body": "2"}});
    let (status, problem) = send(two.backend, &other).await;
    assert_eq!((status, &problem["code"]), (409, &json!("reference_conflict")));
    assert_eq!((&problem["field"], &problem["temporary"]), (&json!("ref"), &json!(false)));
    bob.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_sends_to_somebody_who_is_away() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    drop(world.login(one.client, "bob", "phone").await);
    let message = json!({"ref": "r-1", "to": {"user": "bob"}, "content": {"body": "welcome"}});
    let (status, sent) = send(one.backend, &message).await;
    assert_eq!(status, 201, "{sent}");
    let mut bob = crate::client::Client::connect(one.client).await;
    bob.hello(&world.token("bob"), "phone").await;
    bob.expect("welcome").await;
    let message = bob.expect("message").await;
    assert_eq!((&message["from"], &message["message"]), (&json!("system"), &sent["message"]));
}

/// One after the other in the order answered, at whichever gateway; and many at the same time each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backend_sends_is_in_the_order_of_its_answers() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    drop(world.login(one.client, "bob", "phone").await);
    let mut ids = Vec::new();
    for n in 0..20 {
        let at = if n % 2 == 0 { one.backend } else { two.backend };
        let (status, sent) = send(at, &hello(&format!("a-{n}"))).await;
        assert_eq!(status, 201, "{sent}");
        ids.push(sent["message"].as_str().unwrap().to_owned());
    }
    assert!(ids.is_sorted());
    let messages: Vec<_> = (0..60).map(|n| hello(&format!("b-{n}"))).collect();
    let at = [one.backend, two.backend].into_iter().cycle();
    let answers = join_all(messages.iter().zip(at).map(|(one, at)| send(at, one))).await;
    let many: BTreeSet<_> = answers
        .iter()
        .map(|(status, sent)| {
            assert_eq!(*status, 201, "{sent}");
            sent["message"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(many.len(), 60);
    let (user, device) = (UserId::new("bob").unwrap(), DeviceId::new("phone").unwrap());
    let inbox = world.repository().inbox(user, device, InboxCursor::Start, 1000, 1 << 20).await;
    assert_eq!(inbox.unwrap().messages.len(), 80);
}

const CHANGE: &str = "application/vnd.chatcluster.group+json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_is_named() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let but = |field: &str, value: Value| {
        let mut message = hello("r");
        message[field] = value;
        message.to_string()
    };
    let large = but("content", json!({"body": "x".repeat(32 * 1024 + 1)}));
    for (body, field) in [
        ("".into(), "body"),
        ("[]".into(), "body"),
        ("{".into(), "body"),
        (but("from", json!("al{ice")), "from"),
        (but("from", Value::Null), "from"),
        (but("ref", json!("no spaces")), "ref"),
        (but("to", json!({"planet": "mars"})), "to"),
        (but("to", json!({"group": "g"})), "to.group"),
        (but("content", json!({"type": CHANGE, "body": "{}"})), "content.body"),
        (but("content", json!({"type": CHANGE, "body": "{\"leave\":{}}"})), "to.user"),
        (but("to", json!({"user": ""})), "to.user"),
        (but("content", json!({})), "content.body"),
        (but("content", json!({"type": "Text", "body": ""})), "content.type"),
        (large, "content.body"),
        (but("form", json!("alice")), "form"),
        (json!({"ref": "r", "to": {"user": "bob"}}).to_string(), "content"),
    ] {
        let token = token("messages:send");
        let (status, problem) = ask(one.backend, "POST", "/v1/messages", &token, &body).await;
        let told = (status, &problem["code"], &problem["field"]);
        assert_eq!(told, (400, &json!("bad_parameter"), &json!(field)), "{body:.99}: {problem}");
    }
    let huge = but("content", json!({"body": "x".repeat(300_000)}));
    let path = "/v1/messages";
    for (method, path, token, body, status) in [
        ("POST", path, token("messages:send"), &huge, 413),
        ("POST", "/v1/messages?to=bob", token("messages:send"), &hello("r").to_string(), 400),
        ("POST", path, token("messages:read"), &hello("r").to_string(), 403),
        ("POST", path, world.token("alice"), &hello("r").to_string(), 401),
        ("GET", path, token("messages:send"), &String::new(), 405),
        ("GET", "/v1/nothing", String::new(), &String::new(), 404),
        ("GET", "/health", String::new(), &String::new(), 200),
    ] {
        let answer = ask(one.backend, method, path, &token, body).await;
        assert_eq!(answer.0, status, "{method} {path}: {answer:?}");
    }
    let (_, document) = ask(one.backend, "GET", "/openapi.json", "", "").await;
    assert_eq!(document, chatcluster_gateway::backend::openapi());
    assert_eq!(one.figure("backend_requests_total{call=\"send\",code=\"403\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_message_service_is_away_the_outcome_is_unknown_and_a_repetition_is_stored() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let mut bob = world.login(one.client, "bob", "phone").await;
    world.kill_messages().await;
    let (status, problem) = send(one.backend, &hello("r-1")).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert_eq!(problem["temporary"], json!(true));
    world.start_messages();
    let sent = loop {
        let (status, sent) = send(one.backend, &hello("r-1")).await;
        if status == 201 {
            break sent;
        }
        assert_eq!(status, 503, "{sent}");
    };
    assert_eq!(bob.until("message").await["message"], sent["message"]);
}

/// Whoever hangs up before the answer has sent all the same: what is stored is shown at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backend_sends_that_hangs_up_is_delivered_if_it_is_stored() {
    let world = World::new().await;
    let one = world.gateway("one").await;
    let _bob = world.login(one.client, "bob", "phone").await;
    for n in 0..50 {
        let body = hello(&format!("r-{n}")).to_string();
        let head =
            format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {}", body.len());
        let request =
            format!("{head}\r\nauthorization: Bearer {}\r\n\r\n{body}", token("messages:send"));
        let mut stream = TcpStream::connect(one.backend).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let stored = async || {
        let (user, device) = (UserId::new("bob").unwrap(), DeviceId::new("phone").unwrap());
        let inbox = world.repository().inbox(user, device, InboxCursor::Start, 100, 1 << 20).await;
        inbox.unwrap().messages.len()
    };
    wait_until("something is stored and delivered", DEADLINE, async || {
        let stored = stored().await;
        stored > 0 && one.figure(DELIVERED).await == stored as f64
    })
    .await;
}

async fn connections(at: SocketAddr, user: &str) -> Vec<Value> {
    let path = format!("/v1/users/{user}/connections");
    let (status, mut found) = ask(at, "GET", &path, &token("connections:read"), "").await;
    assert_eq!(status, 200, "{found}");
    serde_json::from_value(found["connections"].take()).unwrap()
}

async fn disconnect(at: SocketAddr, path: &str) -> Answer {
    ask(at, "DELETE", &format!("/v1/users/{path}"), &token("connections:close"), "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_sees_where_a_user_is_and_ends_it_at_every_gateway() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    assert_eq!(connections(one.backend, "bob").await, [] as [Value; 0]);
    let mut phone = world.login(one.client, "bob", "phone").await;
    let mut laptop = world.login(two.client, "bob", "laptop").await;
    let mut tablet = world.login(two.client, "bob", "tablet").await;
    let mut alice = world.login(two.client, "alice", "phone").await;
    let found = connections(two.backend, "bob").await;
    let place = |one: &Value| format!("{}@{}", one["device"], one["gateway"]).replace('"', "");
    let places: Vec<_> = found.iter().map(place).collect();
    assert_eq!(places, ["laptop@two", "phone@one", "tablet@two"]);
    assert!(found.iter().all(|one| one["epoch"].as_u64().unwrap() > 1_600_000_000_000));

    // At another gateway than it is asked of, and the only one.
    let ended = disconnect(one.backend, "bob/connections/laptop").await;
    assert_eq!(ended, (200, json!({"devices": ["laptop"]})));
    assert_eq!(laptop.closed().await, Some(4104));
    assert_eq!(connections(one.backend, "bob").await.len(), 2);
    assert_eq!(disconnect(one.backend, "bob/connections/laptop").await.0, 404);

    let ended = disconnect(two.backend, "bob/connections").await;
    assert_eq!(ended, (200, json!({"devices": ["phone", "tablet"]})));
    assert_eq!((phone.closed().await, tablet.closed().await), (Some(4104), Some(4104)));
    assert_eq!(disconnect(two.backend, "bob/connections").await, (200, json!({"devices": []})));
    // Nobody else was meant, and he may come back.
    alice.quiet().await;
    let _phone = world.login(two.client, "bob", "phone").await;
    assert_eq!(place(&connections(one.backend, "bob").await[0]), "phone@two");

    for (method, scope, path, status) in [
        ("GET", "messages:send", "/v1/users/bob/connections", 403),
        ("DELETE", "connections:read", "/v1/users/bob/connections", 403),
        ("DELETE", "connections:read", "/v1/users/bob/connections/phone", 403),
        ("GET", "connections:read", "/v1/users/b%20b/connections", 400),
        ("DELETE", "connections:close", "/v1/users/bob/connections?device=phone", 400),
        ("DELETE", "connections:close", "/v1/users/bob/connections/p%20", 400),
    ] {
        let answer = ask(one.backend, method, path, &token(scope), "").await;
        assert_eq!(answer.0, status, "{method} {path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_sees_who_is_online_whatever_they_let_others_see() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let presence = async |of: &str, scope: &str| {
        let path = format!("/v1/users/{of}/presence");
        ask(two.backend, "GET", &path, &token(scope), "").await
    };
    let shown = async || presence("bob", "connections:read").await;
    assert_eq!(shown().await, (200, json!({"online": false})));
    let mut bob = world.login(one.client, "bob", "phone").await;
    bob.request(json!({"type": "privacy", "presence_to": "nobody"})).await;
    bob.until("privacy").await;
    assert_eq!(shown().await, (200, json!({"online": true})));
    drop(bob);
    wait_until("bob is seen to have gone", DEADLINE, async || {
        let (status, answer) = shown().await;
        assert_eq!(status, 200, "{answer}");
        answer["online"] == json!(false) && answer["last_seen"].is_u64()
    })
    .await;
    assert_eq!(presence("bob", "messages:send").await.0, 403);
    assert_eq!(presence("b%20b", "connections:read").await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_is_a_message_for_each_and_is_repeated_until_all_are_stored() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut bob = world.login(one.client, "bob", "phone").await;
    let mut carol = world.login(two.client, "carol", "phone").await;
    let users: Vec<_> = (0..998).map(|n| format!("u{n}")).collect();
    let users = [&["bob".to_owned(), "carol".to_owned()][..], &users].concat();
    let body = |users: &[String], text: &str| {
        json!({"ref": "b-1", "to": {"users": users}, "content": {"body": text}}).to_string()
    };
    let token = token("messages:send");
    let send = async |body: String| ask(one.backend, "POST", "/v1/broadcasts", &token, &body).await;
    world.kill_messages().await;
    let (status, nothing) = send(body(&users[..2], "hi")).await;
    assert_eq!((status, &nothing["failed"]), (200, &json!(2)), "{nothing}");
    assert_eq!(nothing["outcomes"][0]["error"]["temporary"], json!(true));
    world.start_messages();
    let outcomes = loop {
        let (status, answer) = send(body(&users, "hi")).await;
        assert_eq!(status, 200, "{answer}");
        let outcomes = answer["outcomes"].as_array().unwrap().clone();
        if answer["failed"] == json!(0) {
            break outcomes;
        }
        let errors = outcomes.iter().filter_map(|one| one.get("error"));
        errors.for_each(|error| assert_eq!(error["temporary"], json!(true), "{error}"));
    };
    let named: Vec<_> = outcomes.iter().map(|one| one["user"].as_str().unwrap()).collect();
    assert_eq!(named, users);
    for (client, outcome) in [(&mut bob, &outcomes[0]), (&mut carol, &outcomes[1])] {
        let message = client.until("message").await;
        assert_eq!(message["message"], outcome["sent"]["message"]);
        assert_eq!((&message["from"], &message["at"]), (&json!("system"), &outcome["sent"]["at"]));
    }
    // All of it again, with somebody more: nothing is sent twice.
    let more = [&users[..1], &["dave".to_owned()]].concat();
    let (_, again) = send(body(&more, "hi")).await;
    assert_eq!((&again["failed"], &again["outcomes"][0]), (&json!(0), &outcomes[0]));
    bob.quiet().await;
    let (_, other) = send(body(&users[..1], "other")).await;
    assert_eq!(other["outcomes"][0]["error"]["code"], json!("reference_conflict"));

    let too_many = vec!["bob".to_owned(); 1001];
    for users in [&too_many[..], &[]] {
        let (status, problem) = send(body(users, "hi")).await;
        assert_eq!((status, &problem["field"]), (400, &json!("to.users")), "{problem}");
    }
    let (status, problem) = send(body(&["b b".to_owned()], "hi")).await;
    assert_eq!((status, &problem["field"]), (400, &json!("to.users[0]")), "{problem}");
}
