//! A client that speaks the protocol by hand, so that it can also break it.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::world::DEADLINE;

/// A WebSocket to a gateway.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    requests: u64,
}

impl Client {
    /// Connects and upgrades.
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        Self::try_connect(at).await.expect("the gateway refused the upgrade")
    }

    /// Connects and upgrades, or not.
    pub(crate) async fn try_connect(at: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{at}/").into_client_request()?;
        let protocol = HeaderValue::from_static("chatcluster.v1");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, response) = client_async(request, stream).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "chatcluster.v1");
        Ok(Self { socket, requests: 0 })
    }

    /// Sends a frame with a fresh request id, and returns that.
    pub(crate) async fn request(&mut self, mut frame: Value) -> u64 {
        self.requests += 1;
        frame["id"] = self.requests.into();
        self.text(&frame.to_string()).await;
        self.requests
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.try_text(text).await.unwrap();
    }

    /// Sends a text frame, unless the connection has ended.
    pub(crate) async fn try_text(&mut self, text: &str) -> Result<(), Error> {
        self.socket.send(Message::text(text)).await
    }

    pub(crate) async fn hello(&mut self, token: &str, device: &str) {
        self.request(json!({"type": "hello", "token": token, "device": device})).await;
    }

    pub(crate) async fn send(&mut self, reference: &str, to: &str, body: &str) -> u64 {
        self.request(json!({
            "type": "send", "ref": reference, "to": {"user": to}, "content": {"body": body},
        }))
        .await
    }

    pub(crate) async fn ack(&mut self, message: &Value) {
        self.try_ack(message).await.unwrap();
    }

    pub(crate) async fn try_ack(&mut self, message: &Value) -> Result<(), Error> {
        let frame = json!({"type": "ack", "messages": [message["message"]]});
        self.try_text(&frame.to_string()).await
    }

    pub(crate) async fn ack_receipt(&mut self, receipt: &Value) {
        self.try_ack_receipt(receipt).await.unwrap();
    }

    pub(crate) async fn try_ack_receipt(&mut self, receipt: &Value) -> Result<(), Error> {
        let frame = json!({"type": "ack", "receipts": [receipt["receipt"]]});
        self.try_text(&frame.to_string()).await
    }

    /// The next text frame; panics when the connection ends before.
    pub(crate) async fn next(&mut self) -> Value {
        match self.next_or_close().await {
            Ok(frame) => frame,
            Err(code) => panic!("the connection ended with {code:?}"),
        }
    }

    /// The next frame, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next text frame, or the close code (`None`: no close frame).
    pub(crate) async fn next_or_close(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = timeout(DEADLINE, self.socket.next()).await.expect("nothing came");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The close code; text frames before it are passed over.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next_or_close().await {
                return code;
            }
        }
    }

    /// Nothing but what this waits for comes within a moment.
    pub(crate) async fn quiet(&mut self) {
        let next = timeout(Duration::from_millis(300), self.socket.next()).await;
        assert!(next.is_err(), "{next:?}");
    }
}

/// The body of a plain HTTP request, and its head before it.
pub(crate) async fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// One figure of a gateway's metrics: with its labels, or summed over them.
pub(crate) async fn figure(admin: SocketAddr, name: &str) -> f64 {
    let text = get(admin, "/metrics").await;
    let wanted = format!("chatcluster_gateway_{name}");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&wanted));
    let of_it = lines.filter(|rest| rest.starts_with([' ', '{']));
    of_it.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
