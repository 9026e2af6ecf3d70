//! The HTTP port.

use std::sync::Arc;

use chatcluster_messages::{
    embedded::{Embedded, WriterThread},
    http::{self, HttpService},
};
use chatcluster_protocol::{
    client::ContentType,
    id::{ConversationId, MessageId},
};
use chatcluster_runtime::{
    backend::{self, InvalidKey, ServiceTokens},
    tls::{Handshakes, ServerCertificate, TlsListener},
};
use chatcluster_testkit::certificates::Certificates;
use messages_core::{
    record::Archived,
    repository::{Append, Quorum, Repository},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_util::sync::CancellationToken;

use crate::harness::*;

pub struct Service {
    pub port: u16,
    pub repository: Arc<Quorum<Embedded>>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
    _writer: WriterThread,
}

impl Service {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, metrics) = (SetClock::new(), metrics());
        let path = folder.path().join("messages.redb");
        let (replica, writer) = Embedded::open(&path, clock.clock(), metrics.clone()).unwrap();
        let repository = Arc::new(Quorum::of_one(replica));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let service = Self { port, repository, stop, _folder: folder, _writer: writer };
        tokio::spawn(backend::serve(listener, service.router(), service.stop.clone()));
        service
    }

    fn router(&self) -> axum::Router {
        http::router(HttpService {
            repository: self.repository.clone(),
            tokens: ServiceTokens::new(SECRET, "chatcluster-messages").unwrap().into(),
            // The pages are read two minutes after the messages were sent.
            clock: Arc::new(|| NOW + 120_000),
            metrics: metrics(),
        })
    }

    /// `from>to` pairs, a millisecond apart.
    pub async fn said(&self, pairs: &[&str]) -> Vec<MessageId> {
        let append = |(n, pair): (u64, &&str)| {
            let (from, to) = pair.split_once('>').unwrap();
            // With a type of its own: "alice>bob image/png".
            let (to, kind) = to.split_once(' ').unwrap_or((to, "text/plain"));
            let message = said(from, to, &format!("r{n}"), &n.to_string());
            let message = Archived { kind: ContentType::new(kind).unwrap(), ..message };
            Append { id: id_of(&message, NOW + n), message }
        };
        let appends: Vec<_> = (0..).zip(pairs).map(append).collect();
        let ids = appends.iter().map(|append| append.id).collect();
        assert!(self.repository.append(appends).await.iter().all(Result::is_ok));
        ids
    }

    pub async fn get(&self, path: &str) -> Answer {
        get(self.port, path, &good_token()).await
    }

    /// The bodies of all pages.
    async fn bodies(&self, path: &str) -> Vec<u64> {
        let (mut bodies, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = self.get(&format!("{path}{cursor}")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let messages = answer.json["messages"].as_array().unwrap();
            let body = |message: &Value| {
                message["content"]["body"].as_str().unwrap().parse::<u64>().unwrap()
            };
            bodies.extend(messages.iter().map(body));
            match &answer.json["next"] {
                Value::String(next) => cursor = format!("&cursor={next}"),
                _ => return bodies,
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

const TALK: [&str; 6] =
    ["alice>bob", "bob>alice", "alice>carol", "carol>bob", "alice>bob", "dave>carol"];

#[tokio::test]
async fn messages_are_found_by_user_conversation_sender_and_time() {
    let service = Service::start().await;
    service.said(&TALK).await;
    let conversation = ConversationId::between(&user("alice"), &user("bob"));
    let since = NOW + 2;
    for (path, wanted) in [
        ("/v1/messages?limit=4".into(), &[5, 4, 3, 2, 1, 0][..]),
        ("/v1/messages?order=asc&limit=4".into(), &[0, 1, 2, 3, 4, 5]),
        ("/v1/messages?user=bob&limit=1".into(), &[4, 3, 1, 0]),
        ("/v1/messages?sender=alice&limit=2".into(), &[4, 2, 0]),
        ("/v1/messages?user=bob&sender=alice&order=asc".into(), &[0, 4]),
        (format!("/v1/messages?since={since}&until={}", NOW + 5), &[4, 3, 2]),
        (format!("/v1/messages?conversation={conversation}&since={since}"), &[4]),
        ("/v1/users/carol/messages?order=asc&limit=1".into(), &[2, 3, 5]),
        (format!("/v1/users/carol/messages?conversation={conversation}"), &[]),
        (format!("/v1/conversations/{conversation}/messages?limit=2"), &[4, 1, 0]),
        (format!("/v1/conversations/{conversation}/messages?user=dave"), &[]),
        ("/v1/users/nobody/messages?limit=7".into(), &[]),
    ] {
        assert_eq!(service.bodies(&path).await, wanted, "{path}");
    }
}

#[tokio::test]
async fn messages_are_found_by_type_and_between_ids() {
    let service = Service::start().await;
    let ids = service
        .said(&["alice>bob", "bob>alice image/png", "alice>carol image/jpeg", "bob>alice"])
        .await;
    let conversation = ConversationId::between(&user("alice"), &user("bob"));
    for (path, wanted) in [
        ("/v1/messages?content_type=image/*&limit=1".into(), &[2, 1][..]),
        ("/v1/messages?content_type=image%2Fpng".into(), &[1]),
        ("/v1/messages?content_type=text/*&sender=bob".into(), &[3]),
        (format!("/v1/conversations/{conversation}/messages?content_type=image/*"), &[1]),
        ("/v1/users/bob/messages?content_type=image/jpeg".into(), &[]),
        (format!("/v1/messages?after={}&before={}", ids[0], ids[3]), &[2, 1]),
        (format!("/v1/messages?after={}&order=asc&limit=1", ids[1]), &[2, 3]),
        (format!("/v1/users/alice/messages?before={}", ids[1]), &[0]),
    ] {
        assert_eq!(service.bodies(&path).await, wanted, "{path}");
    }
}

#[tokio::test]
async fn a_message_has_the_shape_that_clients_see() {
    let service = Service::start().await;
    let id = service.said(&TALK[..1]).await[0];
    let answer = service.get(&format!("/v1/messages/{id}")).await;
    let conversation = ConversationId::between(&user("alice"), &user("bob"));
    assert_eq!(
        answer.json,
        json!({
            "message": id.to_string(),
            "conversation": conversation.to_string(),
            "from": "alice",
            "device": "phone",
            "to": { "user": "bob" },
            "at": NOW,
            "content": { "type": "text/plain", "body": "0" },
        })
    );
    let page = service.get("/v1/messages").await.json;
    assert_eq!(page["messages"], json!([answer.json]));
    assert_eq!((&page["next"], &page["stable_up_to"]), (&Value::Null, &json!(NOW + 55_000)));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let service = Service::start().await;
    let never = "/v1/messages/0193a2c4-7b10-7abc-8def-0123456789ab";
    for (path, status, code, field) in [
        ("/v1/messages?usr=alice", 400, "bad_parameter", Some("usr")),
        ("/v1/messages?limit=501", 400, "bad_parameter", Some("limit")),
        ("/v1/messages?content_type=a/b/c", 400, "bad_parameter", Some("content_type")),
        ("/v1/messages?after=7", 400, "bad_parameter", Some("after")),
        ("/v1/messages?cursor=00", 400, "bad_parameter", Some("cursor")),
        ("/v1/messages/7", 400, "bad_parameter", Some("id")),
        ("/v1/messages/0193a2c4-7b10-7abc-8def-0123456789ab?x=1", 400, "bad_parameter", Some("x")),
        ("/v1/users/a%20b/messages", 400, "bad_parameter", Some("user")),
        ("/v1/users/alice/messages?user=bob", 400, "bad_parameter", Some("user")),
        ("/v1/conversations/7/messages", 400, "bad_parameter", Some("conversation")),
        (never, 404, "not_found", None),
        ("/v2/messages", 404, "not_found", None),
    ] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{path}");
        assert_eq!(answer.json["field"].as_str(), field, "{path}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{path}");
    }
    let post =
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let answer = raw(service.port, post).await;
    assert_eq!((answer.status, &answer.json["code"]), (405, &json!("method_not_allowed")));
    assert!(answer.head.contains("allow: get"), "{answer:?}");
}

#[tokio::test]
async fn a_cursor_of_another_question_is_refused() {
    let service = Service::start().await;
    service.said(&TALK).await;
    let page = service.get("/v1/messages?limit=1").await.json;
    let next = page["next"].as_str().unwrap();
    let other = service.get(&format!("/v1/messages?sender=alice&cursor={next}")).await;
    assert_eq!((other.status, &other.json["field"]), (400, &json!("cursor")));
}

#[tokio::test]
async fn every_way_to_have_no_valid_token_is_refused() {
    let service = Service::start().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = good_claims();
        change(&mut claims);
        claims
    };
    let good = good_token();
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none"} and {"alg":"HS512"}
    let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let other_algorithm = format!("eyJhbGciOiJIUzUxMiJ9.{}.{}", parts[1], parts[2]);
    let other = if parts[2].starts_with('A') { "B" } else { "A" };
    let touched = format!("{}.{}.{other}{}", parts[0], parts[1], &parts[2][1..]);
    let expired =
        with(&|claims| claims["exp"] = json!(jsonwebtoken::get_current_timestamp() - 3600));
    let unborn =
        with(&|claims| claims["nbf"] = json!(jsonwebtoken::get_current_timestamp() + 3600));
    let no_exp = with(&|claims| drop(claims.as_object_mut().unwrap().remove("exp")));
    let no_aud = with(&|claims| drop(claims.as_object_mut().unwrap().remove("aud")));
    let wrong_aud = with(&|claims| claims["aud"] = json!("gateways"));
    let no_scope = with(&|claims| drop(claims.as_object_mut().unwrap().remove("scope")));
    let wrong_scope = with(&|claims| claims["scope"] = json!("messages:reader"));
    let sign = |claims: &Value| token(SECRET, claims);
    for (name, token, status, text) in [
        ("none", none, 401, "HS256"),
        ("other algorithm", other_algorithm, 401, "HS256"),
        ("touched", touched, 401, "signature"),
        (
            "wrong key",
            token(b"another secret of at least 32 bytes", &good_claims()),
            401,
            "signature",
        ),
        ("expired", sign(&expired), 401, "expired"),
        ("not yet", sign(&unborn), 401, "not valid yet"),
        ("without exp", sign(&no_exp), 401, "exp"),
        ("without aud", sign(&no_aud), 401, "aud"),
        ("wrong aud", sign(&wrong_aud), 401, "audience"),
        ("not a token", "hello".into(), 401, "JWT"),
        ("empty", String::new(), 401, "Bearer"),
        ("without scope", sign(&no_scope), 403, "messages:read"),
        ("wrong scope", sign(&wrong_scope), 403, "messages:read"),
    ] {
        let answer = get(service.port, "/v1/messages", &token).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let said = answer.json["text"].as_str().unwrap();
        assert!(said.contains(text), "{name}: {said}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{name}");
        assert!(!said.contains(&token) || token.is_empty(), "{name} is repeated");
    }
    let without = "GET /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(service.port, without).await.status, 401);
    assert_eq!(service.get("/v1/messages").await.status, 200);
}

#[tokio::test]
async fn description_and_health_are_open() {
    let service = Service::start().await;
    for path in ["/openapi.json", "/health"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(service.port, &request).await.status, 200, "{path}");
    }
    let document = service.get("/openapi.json").await.json;
    assert_eq!(document, http::openapi());
    // Every path of the document is a route: it asks for a token.
    for (path, methods) in document["paths"].as_object().unwrap() {
        let method = methods.as_object().unwrap().keys().next().unwrap().to_uppercase();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(service.port, &request).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let service = Service::start().await;
    let huge = "x".repeat(64 * 1024);
    let answer = service.get(&format!("/v1/messages?cursor={huge}")).await;
    assert!([400, 414, 431].contains(&answer.status), "{}", answer.status);
    assert_eq!(service.get("/v1/messages").await.status, 200);
}

#[tokio::test]
async fn backends_may_come_over_tls() {
    let service = Service::start().await;
    let certificates = Certificates::new().unwrap();
    let tls = ServerCertificate::load(&certificates.server("http").unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = tls.server_config(&["http/1.1"]).unwrap();
    let listener = TlsListener::new(listener, config, Handshakes::default());
    tokio::spawn(backend::serve(listener, service.router(), service.stop.clone()));

    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(certificates.ca().certificate().as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_short_key_is_refused() {
    let error = ServiceTokens::new(b"too short", "x").unwrap_err();
    assert!(matches!(error, InvalidKey::Short(9)));
    assert!(error.to_string().contains("at least 32"));
}
