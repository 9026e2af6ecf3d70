//! The HTTP request that opens a connection: reads it within limits, decides what it gets, answers.
//!
//! One request a connection. A WebSocket that was accepted leaves with whatever bytes the client has
//! already sent behind the request.

mod decide;
mod head;
mod response;

use std::{io, time::Duration};

pub use decide::{Admission, Answer, Policy, decide, switch};
pub use head::{Head, HeadError, read_head};
pub use response::Response;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::page::Page;

/// How long a client has for its request, from the end of the TLS handshake.
pub const WITHIN: Duration = Duration::from_secs(10);

/// Bytes that came behind the request of an accepted WebSocket.
pub type Rest = Vec<u8>;

/// Reads one request and answers it. `Some` when the connection is a WebSocket from now on.
///
/// # Errors
/// When the socket fails, or the client takes longer than [`WITHIN`] for request and answer.
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    policy: &Policy,
    admission: Admission,
    page: Option<&Page>,
) -> io::Result<Option<Rest>> {
    tokio::time::timeout(WITHIN, exchange(socket, policy, admission, page))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no complete request in time"))?
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    policy: &Policy,
    admission: Admission,
    page: Option<&Page>,
) -> io::Result<Option<Rest>> {
    let (head, rest) = match read_head(socket).await {
        Ok(read) => read,
        Err(HeadError::Io(error)) => return Err(error),
        Err(HeadError::TooLarge) => {
            let text = format!("the request head is over {} bytes", head::MAX);
            respond(socket, &Response::text(431, "Request Header Fields Too Large", text)).await?;
            return Ok(None);
        }
        Err(HeadError::Malformed) => {
            let text = "this is not an HTTP/1.1 request";
            respond(socket, &Response::text(400, "Bad Request", text)).await?;
            return Ok(None);
        }
    };
    let response = match decide(&head, policy, admission) {
        Answer::Accept(response) => {
            respond(socket, &response).await?;
            return Ok(Some(rest));
        }
        Answer::Refuse(response) => response,
        Answer::Page => match page {
            Some(page) => page.serve(&head).await,
            None => decide::no_page(&head),
        },
    };
    respond(socket, &response).await?;
    Ok(None)
}

async fn respond<S: AsyncWrite + Unpin>(socket: &mut S, response: &Response) -> io::Result<()> {
    socket.write_all(&response.encode()).await?;
    socket.flush().await
}

#[cfg(test)]
mod tests;
