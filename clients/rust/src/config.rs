//! How a client is to be: where it connects, as whom, what it trusts.

use std::{fmt, future::Future, path::PathBuf, sync::Arc};

use chatcluster_protocol::id::DeviceId;
use futures_util::future::BoxFuture;

use crate::{core::Backoff, resume::Resume};

/// Configuration of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct Config {
    /// URLs of gateways, `wss://host:port`, tried in turn. Plain `ws://` works to this machine only:
    /// the token would cross the network in the clear.
    pub endpoints: Vec<String>,
    /// Which of the user's devices this is. It must be the same in every run, and in no two programs
    /// at a time: the newer connection of a device takes the place of the older one.
    pub device: DeviceId,
    /// The token that says who the user is.
    pub token: TokenSource,
    /// Whose certificates are good. There is no way to accept others.
    pub trust: Trust,
    /// What the device remembers from its last run.
    pub resume: Resume,
    /// When messages and receipts are acknowledged.
    pub acks: Acks,
    /// How long to wait between attempts to connect.
    pub backoff: Backoff,
    /// Most sends without an answer, over all connections; further ones wait in
    /// [`Client::send`](crate::Client::send). 1024 by default: at 32 KiB each, 32 MiB.
    pub outbox: usize,
}

impl Config {
    /// A configuration with the defaults for everything else.
    pub fn new(endpoints: Vec<String>, device: DeviceId, token: TokenSource) -> Self {
        Self {
            endpoints,
            device,
            token,
            trust: Trust::System,
            resume: Resume::default(),
            acks: Acks::OnNext,
            backoff: Backoff::default(),
            outbox: 1024,
        }
    }
}

/// Whose certificates a gateway may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The certificate authorities of the operating system.
    System,
    /// The authorities in this PEM file and no others.
    CaFile(PathBuf),
}

/// When a message or a receipt is acknowledged, so that it leaves this device's inbox and the sender
/// learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// When the application asks for the event after it ([`Events::next`](crate::Events::next)), or
    /// says so ([`Events::taken`](crate::Events::taken)). What the application was busy with when it
    /// died comes again.
    OnNext,
    /// When the application calls [`Client::ack`](crate::Client::ack) or
    /// [`Client::ack_receipt`](crate::Client::ack_receipt).
    Manual,
}

/// Where tokens come from. A token is kept out of `Debug` output and logs.
#[derive(Clone)]
pub struct TokenSource {
    pub(crate) get: Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>,
    pub(crate) renews: bool,
}

impl TokenSource {
    /// One token. That it expires soon is told by [`Event::Expiring`](crate::Event::Expiring); then the
    /// client stops.
    pub fn fixed(token: impl Into<String>) -> Self {
        let token: String = token.into();
        let get =
            move || -> BoxFuture<'static, _> { Box::pin(std::future::ready(Ok(token.clone()))) };
        Self { get: Arc::new(get), renews: false }
    }

    /// A token for each connection, and for an open one whose token expires soon: `get` should then return
    /// one that lasts longer. For a connection an error is told as [`Cause::Token`](crate::Cause::Token);
    /// `get` is called again later.
    pub fn from_fn<F, T>(get: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, String>> + Send + 'static,
    {
        let get = move || -> BoxFuture<'static, _> { Box::pin(get()) };
        Self { get: Arc::new(get), renews: true }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("renews", &self.renews).finish_non_exhaustive()
    }
}
