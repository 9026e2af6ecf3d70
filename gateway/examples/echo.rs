//! An echo on the gateway's own WebSocket. `make conformance` examines it: all but the echoing is what
//! clients of a gateway meet. Listens on a free port of loopback and prints its address.

#![allow(clippy::print_stdout, reason = "the address is for whoever started it")]

use std::{future::poll_fn, net::Ipv4Addr};

use bytes::Bytes;
use chatcluster_gateway::{
    connection::{Cause, Ending, Received, Socket},
    upgrade::{Rest, read_head, switch},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::timeout_at,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

/// The largest message of the Autobahn cases. A gateway's limit is 64 KiB.
const LARGEST: usize = 16 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(serve(socket));
    }
}

async fn serve(mut socket: TcpStream) {
    let Some(rest) = accept(&mut socket).await else { return };
    let mut socket = Socket::new(socket, rest, LARGEST);
    let cause = echo(&mut socket).await;
    let Some(mut ending) = Ending::of(cause) else { return };
    let _ = timeout_at(ending.until(), poll_fn(|cx| ending.poll(cx, &mut socket))).await;
}

/// Answers the request as a gateway does, but without the subprotocol, which the cases do not offer.
async fn accept(socket: &mut TcpStream) -> Option<Rest> {
    let (head, rest) = read_head(socket).await.ok()?;
    let response = switch(head.one("sec-websocket-key")?);
    socket.write_all(&response.encode()).await.ok()?;
    Some(rest)
}

/// Sends back whatever comes, until the end.
async fn echo(socket: &mut Socket<TcpStream>) -> Cause {
    loop {
        let message: (Data, Bytes) = match poll_fn(|cx| socket.poll_next(cx)).await {
            Ok(Received::Text(text)) => (Data::Text, text.into()),
            Ok(Received::Binary(bytes)) => (Data::Binary, bytes),
            Ok(Received::Ping | Received::Pong) => continue,
            Err(cause) => return cause,
        };
        let mut answer = std::iter::once(message);
        if poll_fn(|cx| socket.poll_send(cx, &mut answer)).await.is_err() {
            return Cause::Lost;
        }
    }
}
