//! Why a gateway ends a connection, and what the client does next.

/// A WebSocket close code of ChatCluster. The range says what to do: 4000 to 4099 reconnect at
/// once, 4100 to 4199 reconnect with back-off, 4200 to 4299 reconnect only after something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The gateway is being stopped or replaced.
    Draining = 4000,
    /// The gateway no longer holds this session: its lease lapsed and the device's route has moved.
    RouteLost = 4001,
    /// The gateway is full. This version says so before there is a WebSocket, by 503.
    Overloaded = 4100,
    /// The client did not read what was sent to it. It gets no close frame, as it would not read that.
    SlowConsumer = 4101,
    /// Nothing was heard from the client for a heartbeat and 10 s. It gets no close frame.
    HeartbeatMissed = 4102,
    /// A service that the session cannot open without is away.
    Unavailable = 4103,
    /// A backend has ended the connection.
    Disconnected = 4104,
    /// The token is not valid.
    BadToken = 4200,
    /// The token has expired.
    TokenExpired = 4201,
    /// The client broke the protocol; the `error` before tells how.
    Violation = 4202,
    /// No `hello` came in time.
    HelloTimeout = 4203,
    /// Another connection of the same device took its place.
    Replaced = 4204,
    /// The user has as many devices as one may have.
    TooManyDevices = 4205,
    /// The token was revoked, or the device removed.
    Revoked = 4206,
}

impl CloseCode {
    /// All of them, in order.
    pub const ALL: [Self; 14] = [
        Self::Draining,
        Self::RouteLost,
        Self::Overloaded,
        Self::SlowConsumer,
        Self::HeartbeatMissed,
        Self::Unavailable,
        Self::Disconnected,
        Self::BadToken,
        Self::TokenExpired,
        Self::Violation,
        Self::HelloTimeout,
        Self::Replaced,
        Self::TooManyDevices,
        Self::Revoked,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason on the wire: a few words for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Draining => "this gateway is stopping",
            Self::RouteLost => "this gateway no longer holds the session",
            Self::Overloaded => "this gateway is full",
            Self::SlowConsumer => "the client does not read",
            Self::HeartbeatMissed => "nothing heard from the client",
            Self::Unavailable => "a service behind the gateway is away",
            Self::Disconnected => "a backend ended the connection",
            Self::BadToken => "the token is not valid",
            Self::TokenExpired => "the token has expired",
            Self::Violation => "protocol violation",
            Self::HelloTimeout => "no hello in time",
            Self::Replaced => "another connection of this device took over",
            Self::TooManyDevices => "too many devices",
            Self::Revoked => "the token was revoked",
        }
    }
}
