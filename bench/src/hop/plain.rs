//! The floor's near side: blocking threads and plain TCP.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use tokio::{runtime::Builder, task::spawn_blocking};

use super::{Pace, Times, stamp, total};
use crate::floor::{ANSWER, MESSAGE};

/// A connection to the floor.
pub(super) struct Plain(TcpStream);

impl Plain {
    pub(super) fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Hands over the messages of a round.
    pub(super) async fn round_trips(&self, rate: u64) -> anyhow::Result<Times> {
        let (writer, reader) = (self.0.try_clone()?, self.0.try_clone()?);
        let start = Instant::now();
        let times = Times::of(start, total(rate))?;
        let sender = spawn_blocking(move || send(writer, start, rate));
        let times = spawn_blocking(move || receive(reader, times)).await?;
        sender.await??;
        times
    }
}

/// Each message carries its stamp; those of a tick leave in one write.
fn send(mut writer: TcpStream, start: Instant, rate: u64) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    let pacing = Builder::new_current_thread().enable_all().build()?;
    pacing.block_on(async {
        let mut pace = Pace::new(start, rate);
        while let Some(count) = pace.due().await {
            batch.clear();
            for _ in 0..count {
                let mut message = [0; MESSAGE];
                message[..8].copy_from_slice(&stamp(start).to_be_bytes());
                batch.extend_from_slice(&message);
            }
            writer.write_all(&batch)?;
        }
        Ok(())
    })
}

fn receive(mut reader: TcpStream, mut times: Times) -> anyhow::Result<Times> {
    let (mut buffer, mut held) = (vec![0; 64 * 1024], 0);
    loop {
        let read = reader.read(&mut buffer[held..])?;
        anyhow::ensure!(read > 0, "the floor closed");
        held += read;
        let whole = held / ANSWER * ANSWER;
        let stamp_of =
            |answer: &[u8]| answer.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        if times.came_back(buffer[..whole].chunks_exact(ANSWER).map(stamp_of)) {
            return Ok(times);
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
    }
}
