//! The one connection of a client, from the dialling to its end.

use std::future::pending;

use futures_util::future::BoxFuture;

use super::socket::{Incoming, Socket};
use crate::event::Cause;

/// The connection, as far as it is there.
pub(crate) enum Line {
    None,
    Dialing(BoxFuture<'static, Result<(Box<Socket>, String), Cause>>),
    Open(Box<Socket>),
}

/// What the connection brought.
pub(crate) enum Input {
    Opened(String),
    Incoming(Incoming),
}

impl Line {
    /// Without a connection this waits for ever. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, read: bool) -> Input {
        let input = match self {
            Self::None => pending().await,
            Self::Open(socket) => Input::Incoming(socket.next(read).await),
            Self::Dialing(dial) => match dial.await {
                Ok((socket, token)) => {
                    *self = Self::Open(socket);
                    return Input::Opened(token);
                }
                Err(cause) => Input::Incoming(Incoming::Ended(cause)),
            },
        };
        if matches!(input, Input::Incoming(Incoming::Ended(_))) {
            *self = Self::None;
        }
        input
    }
}
