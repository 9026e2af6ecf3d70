//! The connection to the message service.

use std::{io, time::Duration};

use chatcluster_config::Role;
use chatcluster_messages_api::v1::messages_client::MessagesClient;
use chatcluster_runtime::tls::{RoleCertificate, RoleConnector, TlsError};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long connecting may take, with the TLS handshake.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// How often a connection is asked whether it still is one, and how long it may take to say so. A
/// service whose machine vanished is found by this, since TCP alone would wait for minutes.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_WITHIN: Duration = Duration::from_secs(3);

/// What the service may send before we have taken it, in one answer and in all. HTTP/2's own 64 KiB
/// would make the pages of many inboxes wait for each other.
const STREAM_WINDOW: u32 = 256 * 1024;
const WINDOW: u32 = 8 * 1024 * 1024;

/// Largest answer: to eight messages for a group of 1,000 with 16 devices each, of which all have the longest
/// names. A page of an inbox ends at 128 KiB of bodies.
const ANSWER: usize = 32 * 1024 * 1024;

/// The message service at one address. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct Service(MessagesClient<Channel>);

/// The service cannot be reached with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Not `host:port`.
    #[error("messages.address must be host:port")]
    Address,
    /// The certificates cannot be used.
    #[error("TLS to the message service: {0}")]
    Tls(#[from] TlsError),
}

impl Service {
    /// The service at `host:port`, of role `messages`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address is none, or the certificates cannot be used.
    pub fn new(address: &str, certificate: &RoleCertificate) -> Result<Self, ServiceError> {
        // The scheme says nothing of TLS here: the connector below always speaks it.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| ServiceError::Address)?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WITHIN)
            .keep_alive_while_idle(true);
        let connector = certificate.connector(Role::Messages, &["h2"])?;
        let address = address.to_owned();
        let connect = service_fn(move |_| connect(address.clone(), connector.clone()));
        let channel = endpoint.connect_with_connector_lazy(connect);
        Ok(Self(MessagesClient::new(channel).max_decoding_message_size(ANSWER)))
    }

    /// A client for one call.
    pub(super) fn client(&self) -> MessagesClient<Channel> {
        self.0.clone()
    }
}

async fn connect(
    address: String,
    connector: RoleConnector,
) -> io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(&address).await?;
    Ok(TokioIo::new(connector.connect(stream).await?))
}
