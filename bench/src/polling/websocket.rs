//! A connection that stays: each user has a session on the gateway.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use chatcluster_protocol::client::ServerFrame;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Tally, USERS, counted::Counted};
use crate::{
    server::{Fleet, hello, user},
    wire::{self, WebSocket, text_frame},
};

/// A client that has sent nothing for so long sends a `ping`: the gateway's default, which `welcome` tells.
const HEARTBEAT: Duration = Duration::from_secs(25);
const PING: &str = r#"{"type":"ping","id":1}"#;

/// The name of a user.
pub(super) fn receiver(index: usize) -> String {
    user(index)
}

/// Connects all, past `caught_up`.
pub(super) async fn start(
    fleet: &Fleet,
    tally: &Arc<Tally>,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let connect = async |index| {
        let stream = Counted::connect(fleet.gateway.port, index, tally).await?;
        let mut socket = WebSocket::upgrade(Box::new(stream)).await?;
        socket.write(&text_frame(&hello(index)?)).await?;
        while !socket.text().await?.contains(r#""type":"caught_up""#) {}
        Ok((index, socket))
    };
    let mut clients = JoinSet::new();
    for (index, socket) in wire::open_all(0..USERS, connect).await? {
        clients.spawn(receive(index, socket, tally.clone()));
    }
    Ok(clients)
}

async fn receive(index: usize, mut socket: WebSocket, tally: Arc<Tally>) -> anyhow::Result<()> {
    let mut ping = Instant::now() + HEARTBEAT * index as u32 / USERS as u32;
    loop {
        tokio::select! {
            () = sleep_until(ping) => socket.write(&text_frame(PING)).await?,
            frame = socket.text() => match serde_json::from_str(&frame?)? {
                ServerFrame::Message(message) => {
                    tally.received(message.content.body.as_str())?;
                    let ack = json!({ "type": "ack", "messages": [message.message] });
                    socket.write(&text_frame(&ack.to_string())).await?;
                }
                ServerFrame::Error(error) => bail!("refused: {error:?}"),
                _ => continue,
            }
        }
        ping = Instant::now() + HEARTBEAT;
    }
}
