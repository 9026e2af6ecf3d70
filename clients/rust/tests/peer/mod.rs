//! A WebSocket server over real TLS that does what the test says, also what no gateway would do.
// A helper of tests: a panic is how it reports, and not every test file uses all of it.
#![allow(clippy::unwrap_used, dead_code)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use chatcluster_client::{
    Client, Config, Event, Events, TokenSource, Trust,
    protocol::{
        SUBPROTOCOL,
        client::{
            self, ClientFrame, Content, Hello, Message, Recipient, Send, Sent, ServerFrame, Welcome,
        },
        id::{ConversationId, Identity, MessageId, Stamp, UserId},
        limits::Limits,
    },
};
use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        self, Utf8Bytes,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::CloseFrame,
    },
};
use uuid::Uuid;

/// Far above what anything here takes; a test that reaches it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// Ends a test that would hang, where it hangs.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, Box::pin(future)).await {
        Ok(value) => value,
        Err(_) => panic!("in vain: {what}"),
    }
}

/// A certificate authority of a test's own.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A listening server.
pub(crate) struct Peer {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Peer {
    pub(crate) async fn new(ca: &Ca) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: ca.acceptor() }
    }

    pub(crate) fn url(&self) -> String {
        format!("wss://{}", self.listener.local_addr().unwrap())
    }

    /// The next TCP connection, with or without a good end to its TLS handshake.
    pub(crate) async fn accept_tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (tcp, _) = within("a connection", self.listener.accept()).await.unwrap();
        within("a TLS handshake", self.acceptor.accept(tcp)).await
    }

    /// The next connection, upgraded.
    pub(crate) async fn accept(&self) -> Conn {
        self.accept_as(Some(SUBPROTOCOL)).await
    }

    /// The next connection, upgraded under this subprotocol.
    #[allow(clippy::result_large_err)] // the callback's type is tungstenite's
    pub(crate) async fn accept_as(&self, subprotocol: Option<&'static str>) -> Conn {
        let confirm = move |request: &Request, mut response: Response| {
            assert_eq!(request.headers()["sec-websocket-protocol"], SUBPROTOCOL);
            if let Some(subprotocol) = subprotocol {
                response
                    .headers_mut()
                    .insert("sec-websocket-protocol", subprotocol.parse().unwrap());
            }
            Ok::<_, ErrorResponse>(response)
        };
        let tls = self.accept_tls().await.unwrap();
        let stream = within("an upgrade", accept_hdr_async(tls, confirm)).await.unwrap();
        Conn { stream }
    }

    /// The next connection, past `welcome` and `caught_up`.
    pub(crate) async fn session(&self) -> (Conn, Hello) {
        let mut conn = self.accept().await;
        let hello = conn.welcome().await;
        conn.write(&ServerFrame::CaughtUp).await;
        (conn, hello)
    }
}

/// A connection, seen from the server.
pub(crate) struct Conn {
    stream: WebSocketStream<TlsStream<TcpStream>>,
}

impl Conn {
    pub(crate) async fn welcome(&mut self) -> Hello {
        let ClientFrame::Hello(hello) = self.read().await else { panic!("no hello") };
        self.write(&ServerFrame::Welcome(Welcome {
            id: hello.id,
            user: user("alice"),
            device: hello.device.clone(),
            new_device: false,
            session: Uuid::new_v4(),
            epoch: hello.resume.as_ref().and_then(|resume| resume.epoch).unwrap_or(0) + 1,
            heartbeat: 25_000,
            time: 0,
            expires: None,
            limits: Limits::default(),
        }))
        .await;
        hello
    }

    /// The next frame; panics when there is none.
    pub(crate) async fn read(&mut self) -> ClientFrame {
        match within("a frame", self.stream.next()).await {
            Some(Ok(tungstenite::Message::Text(text))) => client::decode(&text).unwrap(),
            other => panic!("no frame but {other:?}"),
        }
    }

    /// The code of the client's close frame, which must be next.
    pub(crate) async fn read_close(&mut self) -> u16 {
        match within("a close frame", self.stream.next()).await {
            Some(Ok(tungstenite::Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("no close frame but {other:?}"),
        }
    }

    pub(crate) async fn read_send(&mut self) -> Send {
        let frame = self.read().await;
        let ClientFrame::Send(send) = frame else { panic!("no send but {frame:?}") };
        send
    }

    pub(crate) async fn read_acks(&mut self, count: usize) -> Vec<MessageId> {
        let mut acked = Vec::new();
        while acked.len() < count {
            let frame = self.read().await;
            let ClientFrame::Ack(ack) = frame else { panic!("no ack but {frame:?}") };
            acked.extend(ack.messages);
        }
        acked
    }

    pub(crate) async fn write(&mut self, frame: &ServerFrame) {
        self.write_raw(tungstenite::Message::text(frame.encode())).await;
    }

    pub(crate) async fn write_raw(&mut self, message: tungstenite::Message) {
        within("room to write", self.stream.send(message)).await.unwrap();
    }

    pub(crate) async fn answer(&mut self, send: &Send, message: MessageId) {
        self.write(&ServerFrame::Sent(Sent {
            id: send.id,
            reference: send.reference.clone(),
            message,
            conversation: ConversationId::between(&user("alice"), &user("bob")),
            at: message.millis(),
        }))
        .await;
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static("because") };
        // The client may be gone already.
        let _ = self.stream.close(Some(frame)).await;
        while let Ok(Some(Ok(_))) = timeout(DEADLINE, self.stream.next()).await {}
    }
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

/// An id; two of one `of` are copies of one message.
pub(crate) fn id(millis: u64, of: &str) -> MessageId {
    let identity = Identity::of(&user("bob"), &"phone".parse().unwrap(), &of.parse().unwrap());
    MessageId::new(Stamp::new(millis, 0), identity)
}

pub(crate) fn message(id: MessageId, text: &str) -> ServerFrame {
    ServerFrame::Message(Message {
        message: id,
        conversation: ConversationId::between(&user("alice"), &user("bob")),
        from: user("bob"),
        device: "phone".parse().unwrap(),
        to: Recipient::User(user("alice")),
        at: id.millis(),
        content: Content::text(text).unwrap(),
    })
}

pub(crate) fn config(ca: &Ca, peers: &[&Peer]) -> Config {
    let endpoints = peers.iter().map(|peer| peer.url()).collect();
    let mut config = Config::new(endpoints, "laptop".parse().unwrap(), TokenSource::fixed("a.b.c"));
    config.trust = Trust::CaFile(ca.file());
    config
}

pub(crate) fn connect(config: Config) -> (Client, Events) {
    Client::connect(config).unwrap()
}

/// The next event that `wanted` makes something of.
pub(crate) async fn event<T>(
    events: &mut Events,
    what: &str,
    wanted: impl Fn(Event) -> Option<T>,
) -> T {
    within(what, async {
        loop {
            let event =
                events.next().await.unwrap_or_else(|| panic!("the client ended before {what}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    })
    .await
}

pub(crate) async fn next_text(events: &mut Events) -> String {
    event(events, "a message", |event| match event {
        Event::Message(message) => Some(message.content.body.as_str().to_owned()),
        _ => None,
    })
    .await
}
