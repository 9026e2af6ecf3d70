//! What a backend is told of users without a connected device.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use chatcluster_config::{GatewayConfig, GoDuration, WebhookTarget};
use chatcluster_testkit::wait_until;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Value, json};

use crate::world::{DEADLINE, SECRET, World};

/// A backend: what it was told, and what it answers, first to last; when nothing is left, 204.
#[derive(Clone, Default)]
struct Backend {
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Backend {
    /// Answers like that; says where.
    async fn start(answers: &[u16]) -> (Self, String) {
        let backend = Self::default();
        backend.answers.lock().unwrap().extend(answers.iter().rev());
        let routes = Router::new().route("/hook", post(take)).with_state(backend.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await });
        (backend, url)
    }

    /// The ids of requests, and the events of the last one.
    fn told(&self) -> (Vec<String>, Vec<Value>) {
        let requests = self.requests.lock().unwrap();
        let events = requests.last().map(|(_, body)| body["events"].as_array().unwrap().clone());
        let ids = requests.iter().map(|(id, _)| id.clone()).collect();
        (ids, events.unwrap_or_default())
    }

    async fn until_told(&self, requests: usize) -> (Vec<String>, Vec<Value>) {
        wait_until("the backend is told", DEADLINE, async || self.told().0.len() >= requests).await;
        self.told()
    }
}

async fn take(State(backend): State<Backend>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    // An HMAC of their own, to have a second opinion; it has the other alphabet of base64.
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap().to_owned();
    let signature = signature.replace('+', "-").replace('/', "_").replace('=', "");
    let signed = format!("{id}.{time}.{body}");
    let key = DecodingKey::from_secret(SECRET);
    assert!(crypto::verify(&signature, signed.as_bytes(), &key, Algorithm::HS256).unwrap());
    assert_eq!(header("content-type"), "application/json");
    backend.requests.lock().unwrap().push((id, serde_json::from_str(&body).unwrap()));
    let answer = backend.answers.lock().unwrap().pop().unwrap_or(204);
    StatusCode::from_u16(answer).unwrap()
}

fn config(world: &World, url: String, give_up_after: Duration) -> GatewayConfig {
    let give_up_after = GoDuration::from_secs(give_up_after.as_secs());
    let target = WebhookTarget { url, ca_bundle: None, key: world.key(), give_up_after };
    GatewayConfig { webhook: Some(target), ..world.config("one") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_is_told_of_messages_that_wait_until_it_takes_the_news() {
    let world = World::new().await;
    let (backend, url) = Backend::start(&[500, 404]).await;
    let one = world.run(config(&world, url, DEADLINE), world.manager.clone()).await;
    let mut alice = world.login(one.client, "alice", "phone").await;
    let laptop = world.login(one.client, "alice", "laptop").await;
    let mut carol = world.login(one.client, "carol", "phone").await;
    drop(world.login(one.client, "bob", "phone").await);
    drop(laptop);
    wait_until("bob and the laptop have gone", DEADLINE, async || {
        one.figure("connections").await == 2.0
    })
    .await;

    // To who is here, and to a device of one's own that is not: nobody is to be woken.
    alice.send("r-1", "carol", "hello").await;
    carol.until("message").await;
    alice.send("r-2", "bob", "a secret").await;
    let sent = loop {
        let sent = alice.until("sent").await;
        if sent["ref"] == "r-2" {
            break sent;
        }
    };
    let (ids, events) = backend.until_told(3).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "the same request again: {ids:?}");
    assert_eq!(ids.len(), 3);
    let message = json!({
        "message": sent["message"], "conversation": sent["conversation"], "from": "alice",
        "to": {"user": "bob"}, "at": sent["at"], "content_type": "text/plain",
    });
    assert_eq!(events, [json!({"type": "waiting", "user": "bob", "message": message})]);
    let figure = async |name: &str| one.figure(name).await;
    wait_until("it is counted", DEADLINE, async || {
        figure("webhook_events_total{kind=\"delivered\"}").await == 1.0
    })
    .await;
    assert_eq!(figure("webhook_requests_total{kind=\"failed\"}").await, 2.0);
    assert_eq!(figure("webhook_requests_total{kind=\"taken\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backend_never_takes_is_given_up_and_counted() {
    let world = World::new().await;
    let (backend, url) = Backend::start(&[503; 64]).await;
    let one = world.run(config(&world, url, Duration::from_secs(2)), world.manager.clone()).await;
    drop(world.login(one.client, "bob", "phone").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    wait_until("bob has gone", DEADLINE, async || one.figure("connections").await == 1.0).await;
    alice.send("r-1", "bob", "hello").await;
    alice.until("sent").await;
    wait_until("it is given up", DEADLINE, async || {
        one.figure("webhook_events_total{kind=\"given_up\"}").await == 1.0
    })
    .await;
    assert!(backend.told().0.len() >= 2, "it was tried again before");
    // A gateway that stops tells what is left, once.
    alice.send("r-2", "bob", "hello again").await;
    alice.until("sent").await;
    let before = backend.told().0.len();
    drop(alice);
    one.stop().await.unwrap();
    assert!(backend.told().0.len() > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_cannot_be_used_is_named() {
    let world = World::new().await;
    for (url, bundle, names) in [
        ("ftp://backend/hook", None, "webhook.url"),
        ("/hook", None, "webhook.url"),
        ("https://backend/hook", Some("no certificate"), "webhook.caBundle"),
    ] {
        let mut config = config(&world, url.into(), DEADLINE);
        config.webhook.as_mut().unwrap().ca_bundle = bundle.map(str::to_owned);
        let error = world.run(config, world.manager.clone()).await.stop().await.unwrap_err();
        assert!(error.to_string().contains(names), "{error}");
    }
}
