//! The client's side of a session, as far as the rows need it.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::bail;
use chatcluster_protocol::{
    client::{Ack, ClientFrame, Content, ContentType, Recipient, RequestId, Send, ServerFrame},
    id::MessageId,
    limits::ACK_IDS,
};
use rustls::ClientConfig;

use crate::{
    server::hello,
    wire::{WebSocket, text_frame},
};

/// The next request of any session. It names messages, too, and a device must not use a name twice, in
/// whatever session.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// An open session of a user of the benchmark.
pub(crate) struct Session(WebSocket);

impl Session {
    /// Connects and waits until the inbox is empty.
    pub(crate) async fn open(
        port: u16,
        user: usize,
        tls: Option<&Arc<ClientConfig>>,
    ) -> anyhow::Result<Self> {
        let socket = WebSocket::open(port, user, tls).await?;
        Ok(Self::log_in(socket, user).await?.0)
    }

    /// Takes what waits in the inbox, until there is nothing more. Says how many texts there were.
    pub(crate) async fn log_in(socket: WebSocket, user: usize) -> anyhow::Result<(Self, usize)> {
        let mut session = Self(socket);
        session.0.write(&text_frame(&hello(user)?)).await?;
        let mut texts = 0;
        loop {
            let frames = session.read().await?;
            texts += count(&frames, is_text);
            if frames.contains(&ServerFrame::CaughtUp) {
                return Ok((session, texts));
            }
        }
    }

    /// Sends a message several times, in one write; returns the numbers of the requests.
    pub(crate) async fn send(
        &mut self,
        to: &Recipient,
        content: &Content,
        times: usize,
    ) -> anyhow::Result<Range<u64>> {
        let first = NEXT.fetch_add(times as u64, Ordering::Relaxed);
        let ids = first..first + times as u64;
        let mut frames = Vec::new();
        for id in ids.clone() {
            let send = Send {
                id: RequestId::try_from(id)?,
                reference: id.to_string().parse()?,
                to: to.clone(),
                content: content.clone(),
                seen: None,
            };
            frames.extend(text_frame(&ClientFrame::Send(send).encode()));
        }
        self.0.write(&frames).await?;
        Ok(ids)
    }

    /// What has come: at least one frame. Nothing is lost when this is dropped before.
    pub(crate) async fn frames(&mut self) -> anyhow::Result<Vec<ServerFrame>> {
        let mut text = Some(self.0.text().await?);
        let mut frames = Vec::new();
        while let Some(json) = text {
            match serde_json::from_str(&json)? {
                ServerFrame::Error(error) => bail!("the gateway refuses: {}", error.text),
                frame => frames.push(frame),
            }
            text = self.0.take_text()?;
        }
        Ok(frames)
    }

    /// Acknowledges what of these frames waits in the inbox.
    pub(crate) async fn acknowledge(&mut self, frames: &[ServerFrame]) -> anyhow::Result<()> {
        let mut acks = Vec::new();
        let messages = ids(frames, |frame| match frame {
            ServerFrame::Message(message) => Some(message.message),
            _ => None,
        });
        for messages in messages.chunks(ACK_IDS) {
            acks.extend(ack(Ack { id: None, messages: messages.into(), receipts: Vec::new() }));
        }
        let receipts = ids(frames, |frame| match frame {
            ServerFrame::Receipt(receipt) => Some(receipt.receipt),
            _ => None,
        });
        for receipts in receipts.chunks(ACK_IDS) {
            acks.extend(ack(Ack { id: None, messages: Vec::new(), receipts: receipts.into() }));
        }
        if acks.is_empty() { Ok(()) } else { self.0.write(&acks).await }
    }

    /// [`Self::frames`], acknowledged.
    pub(crate) async fn read(&mut self) -> anyhow::Result<Vec<ServerFrame>> {
        let frames = self.frames().await?;
        self.acknowledge(&frames).await?;
        Ok(frames)
    }

    /// Reads until so many frames of a kind have come.
    pub(crate) async fn take(
        &mut self,
        wanted: usize,
        kind: fn(&ServerFrame) -> bool,
    ) -> anyhow::Result<()> {
        let mut taken = 0;
        while taken < wanted {
            taken += count(&self.read().await?, kind);
        }
        Ok(())
    }
}

/// A message that somebody wrote, as changes of groups are not.
pub(crate) fn is_text(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Message(m) if m.content.kind == ContentType::default())
}

/// The answer to a `send`.
pub(crate) fn is_sent(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Sent(_))
}

fn count(frames: &[ServerFrame], kind: fn(&ServerFrame) -> bool) -> usize {
    frames.iter().filter(|frame| kind(frame)).count()
}

fn ids(frames: &[ServerFrame], id: fn(&ServerFrame) -> Option<MessageId>) -> Vec<MessageId> {
    frames.iter().filter_map(id).collect()
}

fn ack(ack: Ack) -> Vec<u8> {
    text_frame(&ClientFrame::Ack(ack).encode())
}
