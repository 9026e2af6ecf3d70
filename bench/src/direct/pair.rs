//! Two users, one of whom writes to the other.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    time::{Duration, Instant},
};

use anyhow::Result;
use chatcluster_protocol::{
    client::{Content, Recipient, ServerFrame},
    id::MessageId,
};
use tokio::time::{Instant as Tick, interval_at};

use super::DEPTH;
use crate::{server::user, session::Session};

pub(super) struct Pair {
    sender: Sender,
    recipient: Session,
}

struct Sender {
    session: Session,
    to: Recipient,
    text: Content,
    /// When those without an answer were due.
    unanswered: BTreeMap<u64, Tick>,
    /// The last message that is stored, and up to which one the recipient is known to have got them.
    stored: Option<MessageId>,
    received: Option<MessageId>,
}

impl Pair {
    pub(super) async fn open(port: u16, index: usize) -> Result<Self> {
        let [one, other] = [2 * index, 2 * index + 1];
        let sender = Sender {
            session: Session::open(port, one, None).await?,
            to: Recipient::User(user(other).parse()?),
            text: Content::text("Shall we meet at noon?")?,
            unanswered: BTreeMap::new(),
            stored: None,
            received: None,
        };
        Ok(Self { sender, recipient: Session::open(port, other, None).await? })
    }

    /// Sends as fast as it is answered until `end`; returns how many messages have made the trip.
    pub(super) async fn fast(&mut self, end: Instant) -> Result<usize> {
        let Self { sender, recipient } = self;
        tokio::select! {
            trips = sender.fast(end) => trips,
            never = receive(recipient) => match never? {},
        }
    }

    /// Sends so many, one each `period`, and tells how long after it was due each was stored. Returns
    /// when all have made the trip.
    pub(super) async fn paced(
        &mut self,
        start: Tick,
        period: Duration,
        total: usize,
        stored: impl FnMut(Duration),
    ) -> Result<()> {
        let Self { sender, recipient } = self;
        tokio::select! {
            done = sender.paced(start, period, total, stored) => done,
            never = receive(recipient) => match never? {},
        }
    }
}

/// Acknowledges whatever comes.
async fn receive(recipient: &mut Session) -> Result<Infallible> {
    loop {
        recipient.read().await?;
    }
}

impl Sender {
    async fn fast(&mut self, end: Instant) -> Result<usize> {
        let mut sent = DEPTH;
        self.send(DEPTH, Tick::now()).await?;
        while !self.settled() {
            let frames = self.session.read().await?;
            let answered = self.take(&frames, |_| {});
            if answered > 0 && Instant::now() < end {
                self.send(answered, Tick::now()).await?;
                sent += answered;
            }
        }
        Ok(sent)
    }

    async fn paced(
        &mut self,
        start: Tick,
        period: Duration,
        total: usize,
        mut stored: impl FnMut(Duration),
    ) -> Result<()> {
        let (mut left, mut ticks) = (total, interval_at(start, period));
        while left > 0 || !self.settled() {
            tokio::select! {
                due = ticks.tick(), if left > 0 => {
                    self.send(1, due).await?;
                    left -= 1;
                }
                frames = self.session.frames() => {
                    let frames = frames?;
                    self.take(&frames, &mut stored);
                    self.session.acknowledge(&frames).await?;
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, times: usize, due: Tick) -> Result<()> {
        let ids = self.session.send(&self.to, &self.text, times).await?;
        self.unanswered.extend(ids.map(|id| (id, due)));
        Ok(())
    }

    /// Returns how many sends these frames answer, and tells how long each took.
    fn take(&mut self, frames: &[ServerFrame], mut stored: impl FnMut(Duration)) -> usize {
        let mut answered = 0;
        for frame in frames {
            match frame {
                ServerFrame::Sent(sent) => {
                    if let Some(due) = self.unanswered.remove(&sent.id.get()) {
                        stored(due.elapsed());
                    }
                    self.stored = self.stored.max(Some(sent.message));
                    answered += 1;
                }
                ServerFrame::Receipt(receipt) => {
                    self.received = self.received.max(Some(receipt.up_to));
                }
                _ => {}
            }
        }
        answered
    }

    /// Everything is stored, and the recipient has acknowledged it.
    fn settled(&self) -> bool {
        self.unanswered.is_empty() && self.received >= self.stored
    }
}
