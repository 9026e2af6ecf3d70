//! Words for messages, clients of both ports, and waiting for what must come.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chatcluster_config::{MutualTls, Role};
use chatcluster_messages::{Clock, Metrics};
use chatcluster_messages_api::v1::{self, messages_client::MessagesClient};
use chatcluster_protocol::{
    client::{Body, ContentType},
    id::{DeviceId, Identity, MessageId, Reference, Stamp, UserId},
};
use chatcluster_runtime::tls::RoleCertificate;
use hyper_util::rt::TokioIo;
use messages_core::record::{Archived, To};
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::transport::{Channel, Endpoint};

/// For whatever must happen; many times what it takes.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The secret of service tokens.
pub const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

/// Where the clock of in-process tests starts.
pub const NOW: u64 = 1_700_000_000_000;

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(&mut Registry::default()))
}

/// A clock that stands until it is set.
#[derive(Clone)]
pub struct SetClock(Arc<AtomicU64>);

impl SetClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    pub fn set(&self, now: u64) {
        self.0.store(now, SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let now = self.0.clone();
        Arc::new(move || now.load(SeqCst))
    }
}

/// A message as the core has it.
pub fn said(from: &str, to: &str, reference: &str, body: &str) -> Archived {
    Archived {
        from: user(from),
        device: DeviceId::new("phone").unwrap(),
        reference: Reference::new(reference).unwrap(),
        to: To::User(user(to)),
        kind: ContentType::default(),
        body: Body::new(body).unwrap(),
    }
}

/// The id of a message, stamped at `millis`.
pub fn id_of(message: &Archived, millis: u64) -> MessageId {
    let identity = Identity::of(&message.from, &message.device, &message.reference);
    MessageId::new(Stamp::new(millis, 0), identity)
}

pub fn bytes(id: MessageId) -> Bytes {
    Bytes::copy_from_slice(&id.to_bytes())
}

/// A device as gRPC has it.
pub fn device(user: &str, device: &str) -> Option<v1::Device> {
    Some(v1::Device { user: user.into(), device: device.into() })
}

/// An append as gRPC has it, stamped at `millis`.
pub fn append(from: &str, to: &str, reference: &str, millis: u64, body: &str) -> v1::Append {
    let message = said(from, to, reference, body);
    v1::Append {
        id: bytes(id_of(&message, millis)),
        sender: device(from, "phone"),
        reference: reference.into(),
        to: Some(v1::append::To::User(to.into())),
        content: Some(v1::Content { r#type: "text/plain".into(), body: body.into() }),
    }
}

/// A gateway's client.
pub async fn client(
    tls: &MutualTls,
    port: u16,
) -> Result<MessagesClient<Channel>, tonic::transport::Error> {
    let connector = RoleCertificate::load(tls).unwrap().connector(Role::Messages, &["h2"]).unwrap();
    let connect = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            std::io::Result::Ok(TokioIo::new(connector.connect(stream).await?))
        }
    });
    let channel = Endpoint::from_static("http://messages").connect_with_connector(connect).await?;
    Ok(MessagesClient::new(channel))
}

/// Everything that waits for a device.
pub async fn inbox(
    client: &mut MessagesClient<Channel>,
    user: &str,
    of: &str,
) -> v1::ReadInboxResponse {
    let mut all = v1::ReadInboxResponse::default();
    loop {
        let cursor = std::mem::take(&mut all.next);
        let request = v1::ReadInboxRequest { device: device(user, of), cursor, limit: 0 };
        let page = client.read_inbox(request).await.unwrap().into_inner();
        all.messages.extend(page.messages);
        all.receipts.extend(page.receipts);
        all.next = page.next;
        if all.next.is_empty() {
            return all;
        }
    }
}

/// An answer of the HTTP port.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub json: serde_json::Value,
}

/// Sends one request as it is and reads the answer to its end.
pub async fn raw(port: u16, request: &str) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // What came before a reset still counts.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    };
    let answer = tokio::time::timeout(DEADLINE, exchange).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let json = serde_json::from_str(body).unwrap_or_default();
    Answer { status, head: head.to_ascii_lowercase(), json }
}

/// GET with a token.
pub async fn get(port: u16, path: &str, token: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    raw(port, &format!("{head}authorization: Bearer {token}\r\n\r\n")).await
}

/// DELETE with a token.
pub async fn delete(port: u16, path: &str, token: &str) -> Answer {
    let head = format!("DELETE {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    raw(port, &format!("{head}authorization: Bearer {token}\r\n\r\n")).await
}

/// POST with a token.
pub async fn post(port: u16, path: &str, body: &str, token: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let head = format!("{head}content-length: {}\r\n", body.len());
    raw(port, &format!("{head}authorization: Bearer {token}\r\n\r\n{body}")).await
}

/// A service token with these claims.
pub fn token(secret: &[u8], claims: &serde_json::Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

/// A token that may read.
pub fn good_token() -> String {
    token(SECRET, &good_claims())
}

pub fn good_claims() -> serde_json::Value {
    serde_json::json!({
        "aud": "chatcluster-messages",
        "exp": jsonwebtoken::get_current_timestamp() + 3600,
        "scope": "users:read messages:read devices:write sessions:write",
    })
}

/// Tries until it works out, under the deadline.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(Instant::now() < end, "{what} did not happen in {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
