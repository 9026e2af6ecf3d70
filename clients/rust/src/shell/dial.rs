//! Opening a connection: token, TCP, TLS, WebSocket upgrade.

use std::{collections::HashMap, io, time::Duration};

use chatcluster_protocol::{SUBPROTOCOL, limits};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        Error as WsError, client::ClientRequestBuilder, error::ProtocolError,
        handshake::client::Response, http::header, protocol::WebSocketConfig,
    },
};

use super::{
    endpoint::Endpoint,
    socket::{Io, Socket},
};
use crate::{config::TokenSource, event::Cause};

/// Opens connections to the endpoints of one client.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) endpoints: HashMap<String, Endpoint>,
    pub(crate) connector: TlsConnector,
    pub(crate) token: TokenSource,
}

impl Dialer {
    /// A connection ready for `hello`, and the token for it. No time limit of its own: the core has one.
    pub(crate) async fn dial(self, url: String) -> Result<(Box<Socket>, String), Cause> {
        let token = (self.token.get)().await.map_err(Cause::Token)?;
        let unknown = || Cause::Unreachable(format!("{url} is no endpoint of this client"));
        let endpoint = self.endpoints.get(&url).ok_or_else(unknown)?;
        let socket = open(endpoint, &self.connector).await?;
        Ok((Box::new(socket), token))
    }
}

async fn open(endpoint: &Endpoint, connector: &TlsConnector) -> Result<Socket, Cause> {
    let unreachable = |error: io::Error| Cause::Unreachable(format!("{}: {error}", endpoint.uri));
    let address = (endpoint.host.as_str(), endpoint.port);
    let tcp = TcpStream::connect(address).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let io: Box<dyn Io> = match &endpoint.tls {
        Some(name) => {
            let tls = connector.connect(name.clone(), tcp).await;
            Box::new(tls.map_err(|error| lasting(&error).unwrap_or_else(|| unreachable(error)))?)
        }
        None => Box::new(tcp),
    };
    let request = ClientRequestBuilder::new(endpoint.uri.clone()).with_sub_protocol(SUBPROTOCOL);
    match client_async_with_config(request, io, Some(websocket())).await {
        Ok((stream, _)) => Ok(Socket::new(stream)),
        Err(WsError::Http(response)) => Err(refused(&response)),
        Err(WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))) => {
            Err(Cause::Unreachable(format!("{} does not speak {SUBPROTOCOL}", endpoint.uri)))
        }
        Err(WsError::Protocol(ProtocolError::HttparseError(_))) if endpoint.tls.is_none() => {
            Err(Cause::WrongScheme(
                "the port does not answer in HTTP, as one that speaks TLS; try wss://",
            ))
        }
        Err(error) => Err(Cause::Unreachable(format!("{}: {error}", endpoint.uri))),
    }
}

/// Buffers for one connection of a client: small ones, since the frames are. The limits are what a
/// gateway may send, and a few of our own frames.
fn websocket() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(8 * limits::CLIENT_FRAME)
        .max_message_size(Some(limits::SERVER_FRAME))
        .max_frame_size(Some(limits::SERVER_FRAME))
}

fn refused(response: &Response) -> Cause {
    let seconds = response.headers().get(header::RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Cause::Refused {
        status: response.status().as_u16(),
        retry_after: seconds.map(Duration::from_secs),
    }
}

/// The fault of the certificate or of the URL, if that is what failed.
fn lasting(error: &io::Error) -> Option<Cause> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(Cause::Certificate(why.to_string())),
        rustls::Error::InvalidMessage(_) => {
            Some(Cause::WrongScheme("the port does not speak TLS, as wss:// asks for"))
        }
        _ => None,
    }
}
