//! A plain WebSocket, which knows nothing of the protocol. It holds what comes against the generated schema.

use std::{collections::VecDeque, fmt, rc::Rc};

use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Response},
    },
};

use crate::{DEADLINE, cluster::Cluster, schemas::Schemas};

/// What a gateway answers before there is a WebSocket.
pub(crate) type Refusal = Response<Option<Vec<u8>>>;

/// What a client asks at the door.
#[derive(Debug, Clone)]
pub(crate) struct Door<'a> {
    pub(crate) path: &'a str,
    pub(crate) subprotocol: Option<&'a str>,
    /// That of a browser's page.
    pub(crate) origin: Option<String>,
}

/// A connection to a gateway.
pub(crate) struct Client {
    /// The gateway, by its number.
    pub(crate) gateway: usize,
    socket: Box<WebSocketStream<TlsStream<TcpStream>>>,
    schemas: Rc<Schemas>,
    /// What has come and has not been looked at.
    pub(crate) came: VecDeque<Came>,
    ended: bool,
}

/// What a client reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Came {
    Frame(Value),
    /// The end, with its close code.
    End(Option<u16>),
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => write!(f, "{frame}"),
            Self::End(Some(code)) => write!(f, "close {code}"),
            Self::End(None) => f.write_str("an end without a close frame"),
        }
    }
}

impl Client {
    /// Connects; the inner result is the gateway's answer.
    ///
    /// # Errors
    /// Says what failed before there was an answer.
    pub(crate) async fn knock(
        cluster: &Cluster,
        schemas: &Rc<Schemas>,
        gateway: usize,
        door: Door<'_>,
    ) -> Result<Result<Self, Refusal>, String> {
        let port = cluster.port(gateway);
        let failed = |error: &dyn fmt::Display| format!("connecting to gateway-{gateway}: {error}");
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| failed(&e))?;
        stream.set_nodelay(true).map_err(|e| failed(&e))?;
        let name = ServerName::try_from("localhost").map_err(|e| failed(&e))?;
        let stream = cluster.tls.connect(name, stream).await.map_err(|e| failed(&e))?;
        let url = format!("wss://localhost:{port}{}", door.path);
        let mut request = url.into_client_request().map_err(|e| failed(&e))?;
        let value = |text: &str| HeaderValue::from_str(text).map_err(|e| failed(&e));
        if let Some(subprotocol) = door.subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", value(subprotocol)?);
        }
        if let Some(origin) = &door.origin {
            request.headers_mut().insert("origin", value(origin)?);
        }
        let (schemas, came) = (schemas.clone(), VecDeque::new());
        match client_async(request, stream).await {
            Ok((socket, _)) => {
                let socket = Box::new(socket);
                Ok(Ok(Self { gateway, socket, schemas, came, ended: false }))
            }
            Err(Error::Http(answer)) => Ok(Err(*answer)),
            Err(error) => Err(failed(&error)),
        }
    }

    pub(crate) async fn send(&mut self, frame: &Value) -> Result<(), String> {
        self.send_message(Message::text(frame.to_string())).await
    }

    pub(crate) async fn send_message(&mut self, message: Message) -> Result<(), String> {
        self.socket.send(message).await.map_err(|error| format!("sending: {error}"))
    }

    /// Sends several frames in one go.
    pub(crate) async fn send_all(&mut self, frames: &[Value]) -> Result<(), String> {
        for frame in frames {
            let fed = self.socket.feed(Message::text(frame.to_string())).await;
            fed.map_err(|error| format!("sending: {error}"))?;
        }
        self.socket.flush().await.map_err(|error| format!("sending: {error}"))
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Came, String> {
        let until = async {
            while self.came.is_empty() {
                self.read().await?;
            }
            Ok::<_, String>(())
        };
        timeout(DEADLINE, until)
            .await
            .map_err(|_| format!("nothing came within {DEADLINE:?}"))??;
        Ok(self.came.pop_front().expect("something has come"))
    }

    /// The next frame, which has to be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Result<Value, String> {
        match self.next().await? {
            Came::Frame(frame) if frame["type"] == kind => Ok(frame),
            other => Err(format!("`{kind}` was to come; what came is {other}")),
        }
    }

    /// The end, which has to come next and have this close code.
    pub(crate) async fn expect_end(&mut self, code: u16) -> Result<(), String> {
        match self.next().await? {
            Came::End(Some(came)) if came == code => Ok(()),
            other => Err(format!("close {code} was to come; what came is {other}")),
        }
    }

    /// Ends the connection in good order.
    pub(crate) async fn close(mut self) -> Result<(), String> {
        self.send_message(Message::Close(None)).await?;
        while !matches!(self.next().await?, Came::End(_)) {}
        Ok(())
    }

    /// Puts one more into [`Self::came`]. After the end nothing more comes.
    pub(crate) async fn read(&mut self) -> Result<(), String> {
        if self.ended {
            return std::future::pending().await;
        }
        let came = loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text);
                    let frame = frame.map_err(|error| format!("{error}: {text} came"))?;
                    self.schemas.server.check(&frame)?;
                    break Came::Frame(frame);
                }
                Some(Ok(Message::Close(frame))) => break Came::End(frame.map(|f| f.code.into())),
                Some(Ok(Message::Binary(_))) => return Err("a binary frame came".into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break Came::End(None),
            }
        };
        self.ended = matches!(came, Came::End(_));
        self.came.push_back(came);
        Ok(())
    }
}
