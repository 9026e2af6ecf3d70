//! Who sends to those who poll the message service, or are connected to the gateway.

use chatcluster_protocol::client::ServerFrame;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{GAP, LASTING, MESSAGES, Send, Tally, USERS};
use crate::{
    server::{Fleet, hello},
    wire::{WebSocket, text_frame},
};

/// Below what a device may have in flight.
const IN_FLIGHT: usize = 60;

/// One device that writes to all of them through the gateway.
pub(super) struct Sender {
    socket: WebSocket,
    receiver: fn(usize) -> String,
    sent: usize,
    answered: usize,
}

impl Sender {
    /// `receiver` is the name of the user with an index.
    pub(super) async fn connect(
        fleet: &Fleet,
        receiver: fn(usize) -> String,
    ) -> anyhow::Result<Self> {
        let mut socket = WebSocket::open(fleet.gateway.port, 0, None).await?;
        socket.write(&text_frame(&hello(USERS)?)).await?;
        let mut sender = Self { socket, receiver, sent: 0, answered: 0 };
        // Receipts of a round before may have waited.
        while !sender.next_frame().await? {}
        Ok(sender)
    }

    /// Takes the next frame; says whether it was `caught_up`.
    async fn next_frame(&mut self) -> anyhow::Result<bool> {
        let frame = self.socket.text().await?;
        self.take(&frame).await
    }

    async fn take(&mut self, frame: &str) -> anyhow::Result<bool> {
        match serde_json::from_str(frame)? {
            ServerFrame::CaughtUp => return Ok(true),
            ServerFrame::Sent(_) => self.answered += 1,
            ServerFrame::Receipt(receipt) => {
                let ack = json!({ "type": "ack", "receipts": [receipt.receipt] });
                self.socket.write(&text_frame(&ack.to_string())).await?;
            }
            ServerFrame::Error(error) => anyhow::bail!("refused: {error:?}"),
            _ => {}
        }
        Ok(false)
    }

    async fn send_one(&mut self, body: String) -> anyhow::Result<()> {
        let send = json!({
            "type": "send",
            "id": self.sent,
            "ref": Uuid::new_v4(),
            "to": { "user": (self.receiver)(self.sent % USERS) },
            "content": { "type": "text/plain", "body": body },
        });
        self.sent += 1;
        self.socket.write(&text_frame(&send.to_string())).await
    }
}

impl Send for Sender {
    async fn send(mut self, tally: &Tally) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let more = self.sent < MESSAGES;
            let due = if more { start + GAP * self.sent as u32 } else { start + LASTING };
            // What has to wait for an answer counts from when it was due.
            let may = !more || self.sent - self.answered < IN_FLIGHT;
            tokio::select! {
                () = sleep_until(due), if may => match more {
                    true => self.send_one(tally.body(due)).await?,
                    false => return Ok(()),
                },
                frame = self.socket.text() => {
                    let frame = frame?;
                    self.take(&frame).await?;
                }
            }
        }
    }
}
