//! Opening, keeping and ending a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::RequestId;
use crate::{
    Millis,
    id::{DeviceId, MessageId, UserId},
    limits::Limits,
};

/// The first frame of a connection, within 10 s of opening it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// A JWT whose `sub` is the user. It travels here and never in the URL, which ends up in logs.
    #[schemars(length(max = 8192))]
    pub token: String,
    /// Which of the user's devices this is; its inbox waits under this name.
    pub device: DeviceId,
    /// What the device knows from an earlier session, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// What a device remembers of its earlier session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resume {
    /// The highest message id that the device has seen, sent or received. What it sends from now on
    /// gets higher ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<MessageId>,
    /// The epoch of its last `welcome`. It lets the newer of two connections win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// Answers `hello`. What waited in the inbox follows as `message` pushes, then `caught_up`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Welcome {
    /// The id of the `hello`.
    pub id: RequestId,
    /// Who the token says that this is.
    pub user: UserId,
    /// The device named in `hello`.
    pub device: DeviceId,
    /// The device was not known before: its inbox begins empty, and what was said before is in `history`.
    /// A device that was removed, or not used for long, is new when it comes back.
    #[serde(default)]
    pub new_device: bool,
    /// This session, for logs and support.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub session: Uuid,
    /// To be returned in the `resume` of the next `hello`.
    pub epoch: u64,
    /// Milliseconds: a client that has sent nothing for this long sends `ping`; one that then hears
    /// nothing for 10 s opens another connection. A gateway that has heard nothing for this long asks
    /// with a WebSocket ping, and ends a connection that stays silent for another 10 s.
    pub heartbeat: u64,
    /// The gateway's clock, milliseconds UTC.
    pub time: Millis,
    /// When the token expires, and the session with it unless a `refresh` comes before; milliseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Millis>,
    /// How much this client may send.
    pub limits: Limits,
}

/// Is the gateway still there? For clients that cannot send WebSocket pings, such as browsers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
}

/// Answers `ping`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// The id of the `ping`.
    pub id: RequestId,
    /// The gateway's clock, milliseconds UTC.
    pub time: Millis,
}

/// Push: this gateway will close the connection soon; open another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reconnect {
    /// Milliseconds to wait before opening the new connection.
    pub after: u64,
    /// Why.
    pub reason: ReconnectReason,
}

/// Why a gateway asks a client to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReconnectReason {
    /// The gateway is being stopped or replaced.
    Draining,
    /// A reason of a newer gateway.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}
