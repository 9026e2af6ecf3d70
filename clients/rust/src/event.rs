//! What the client tells its application.

use std::{fmt, time::Duration};

use chatcluster_protocol::{
    Millis,
    client::{IsTyping, Message, Receipt, ReconnectReason, UserPresence, Welcome},
    id::{DeviceId, UserId},
};
use uuid::Uuid;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A session is open. What waited for this device follows, then [`Event::CaughtUp`].
    Connected(Session),
    /// Everything that waited while the device was away has been shown.
    CaughtUp,
    /// A message, once. It may have a lower id than one before: its id is its place.
    Message(Message),
    /// How far somebody has received what this user sent, or has read a conversation. Of this user: another
    /// device of theirs has read that far.
    Receipt(Receipt),
    /// Somebody is typing. Show it for `expires_in` milliseconds (0: they have stopped), unless another one of
    /// that user in that conversation comes before, or a message.
    Typing(IsTyping),
    /// Whether a user is online whom this client watches ([`Client::watch`](crate::Client::watch)): as it is
    /// now, told at first, when it has changed, and on each connection. An application that is behind gets
    /// the last of each user.
    Presence(UserPresence),
    /// The session or the attempt to open one ended; the client tries again by itself.
    Disconnected {
        /// Why.
        cause: Cause,
        /// When it dials again.
        retry_in: Duration,
    },
    /// The session's token expires soon, and the client has no other one ([`TokenSource::fixed`]): it will
    /// stop then. From a source that renews, the client gets a fresh token by itself and says nothing.
    ///
    /// [`TokenSource::fixed`]: crate::TokenSource::fixed
    Expiring {
        /// When, in milliseconds since 1970-01-01 UTC.
        expires: Millis,
    },
    /// The client has stopped, and somebody has to change something. No event follows.
    Fatal(Fatal),
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who the token says that this is.
    pub user: UserId,
    /// Which of the user's devices.
    pub device: DeviceId,
    /// The gateways did not know the device before: nothing that was said until now comes by itself, and
    /// history has it. So it is with a device that was removed, or not used for long, when it comes back.
    pub new_device: bool,
    /// The session's id, for logs and support.
    pub session: Uuid,
    /// URL of the gateway that holds it.
    pub gateway: String,
    /// When its first token expires, in milliseconds since 1970-01-01 UTC; `None` where the gateway does
    /// not tell.
    pub expires: Option<Millis>,
}

impl Session {
    pub(crate) fn new(welcome: &Welcome, gateway: &str) -> Self {
        Self {
            user: welcome.user.clone(),
            device: welcome.device.clone(),
            new_device: welcome.new_device,
            session: welcome.session,
            gateway: gateway.to_owned(),
            expires: welcome.expires,
        }
    }
}

/// Why a connection ended, or did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The gateway closed it.
    Closed {
        /// The close code, 1005 where there was none.
        code: u16,
        /// The gateway's words.
        reason: String,
    },
    /// The connection broke or could not be opened; the text is the system's.
    Unreachable(String),
    /// The port speaks TLS where the URL says that it does not, or the other way round.
    WrongScheme(&'static str),
    /// The gateway's certificate is not one that the client trusts.
    Certificate(String),
    /// The server refused to speak WebSocket.
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long it asked to wait (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// Nothing was heard in time.
    Silent(&'static str),
    /// The gateway asked this client to move to another one.
    Asked(ReconnectReason),
    /// No token could be had.
    Token(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code, reason } if reason.is_empty() => {
                write!(f, "the connection was closed ({code})")
            }
            Self::Closed { code, reason } => write!(f, "{reason} ({code})"),
            Self::Unreachable(text) => write!(f, "no connection: {text}"),
            Self::WrongScheme(text) => write!(f, "no connection: {text}"),
            Self::Certificate(text) => {
                write!(f, "the gateway's certificate is not trusted: {text}")
            }
            Self::Refused { status, .. } => {
                write!(f, "the server refused the connection (HTTP status {status})")
            }
            Self::Silent(what) => f.write_str(what),
            Self::Asked(_) => f.write_str("the gateway is stopping and asked to move"),
            Self::Token(text) => write!(f, "no token: {text}"),
        }
    }
}

/// Why the client stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{change} ({reason}, close code {code})")]
pub struct Fatal {
    /// The close code, 4200 to 4299.
    pub code: u16,
    /// The gateway's words.
    pub reason: String,
    /// What must change before another attempt.
    pub change: &'static str,
}
