//! How a connection ends: why, and what the client still gets to read.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use chatcluster_protocol::client::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_tungstenite::tungstenite::{
    Error, Utf8Bytes,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode as WireCode},
};

use super::Socket;

/// How long a client has to answer the close frame and hang up.
const WITHIN: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The session says so.
    Session(CloseCode),
    /// The client broke the WebSocket protocol.
    Broken(WireCode),
    /// The client sent a close frame.
    Client,
    /// The client takes nothing of what is written. It could not read a close frame either.
    Stalled,
    /// The socket ended or failed.
    Lost,
}

impl Cause {
    /// What an error of tungstenite means.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Self::Broken(WireCode::Size),
            Error::Utf8(_) => Self::Broken(WireCode::Invalid),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Lost,
            Error::Protocol(_) => Self::Broken(WireCode::Protocol),
            _ => Self::Lost,
        }
    }

    /// As the metrics say it.
    pub(super) fn label(self) -> String {
        match self {
            Self::Session(code) => code.code().to_string(),
            Self::Broken(code) => u16::from(code).to_string(),
            Self::Client => "client".into(),
            Self::Stalled => CloseCode::SlowConsumer.code().to_string(),
            Self::Lost => "lost".into(),
        }
    }
}

/// The end of a connection whose client may still be there.
#[derive(Debug)]
pub struct Ending {
    until: Instant,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The close frame is to be written; `None` where tungstenite has its answer to the client's ready.
    Say(Option<CloseFrame>, After),
    /// It is on its way.
    Flush(After),
    /// It was written: nothing more follows.
    HangUp,
    /// Whatever the client still sends is passed over, since closing a socket with unread bytes resets
    /// it, and the close frame might be lost.
    Drain,
}

/// What comes after the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The client's close frame.
    Answer,
    /// Nothing that could be read.
    HangUp,
}

impl Ending {
    /// What is left to do; `None` when nobody is there.
    pub fn of(cause: Cause) -> Option<Self> {
        let say = |code, reason: &'static str, after| {
            Step::Say(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }), after)
        };
        let step = match cause {
            Cause::Session(CloseCode::HeartbeatMissed) | Cause::Stalled | Cause::Lost => {
                return None;
            }
            Cause::Session(code) => say(code.code().into(), code.reason(), After::Answer),
            Cause::Broken(code) => {
                let reason = match code {
                    WireCode::Size => "frames may have 65536 bytes",
                    WireCode::Invalid => "text must be UTF-8",
                    _ => "not the WebSocket protocol",
                };
                say(code, reason, After::HangUp)
            }
            Cause::Client => Step::Say(None, After::HangUp),
        };
        Some(Self { until: Instant::now() + WITHIN, step })
    }

    /// When we wait no longer.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Goes on; `Ready` when the socket may be dropped.
    pub fn poll<S>(&mut self, cx: &mut Context<'_>, socket: &mut Socket<S>) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match &mut self.step {
                Step::Say(frame, after) => {
                    let (frame, after) = (frame.take(), *after);
                    if let Some(frame) = frame {
                        socket.close(cx, frame);
                    }
                    self.step = Step::Flush(after);
                }
                Step::Flush(after) => {
                    let after = *after;
                    if ready!(socket.poll_flush(cx)).is_err() {
                        return Poll::Ready(());
                    }
                    if after == After::Answer {
                        // Frames are passed over until the client's close, or its end.
                        while ready!(socket.poll_next(cx)).is_ok() {}
                    }
                    self.step = Step::HangUp;
                }
                Step::HangUp => {
                    if ready!(socket.poll_shutdown(cx)).is_err() {
                        return Poll::Ready(());
                    }
                    self.step = Step::Drain;
                }
                Step::Drain => return socket.poll_drain(cx),
            }
        }
    }
}
