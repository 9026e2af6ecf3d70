//! A client of the other servers: any path, text or binary, and no more of a frame read than its length.

use std::sync::Arc;

use anyhow::{bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{
    LONGEST,
    catalog::{Dialect, Step},
    room::{MARK, MEMBERS, Room, body},
};
use crate::{
    server::Server,
    wire::{self, text_frame},
};

/// A connection, after what its dialect says first.
pub(super) struct Client {
    stream: TcpStream,
    binary: bool,
}

impl Client {
    /// The `index`-th connection of a run.
    pub(super) async fn connect(
        port: u16,
        index: usize,
        dialect: &Dialect,
    ) -> anyhow::Result<Self> {
        let stream = wire::connect(port, index).await?;
        let mut client = Self { stream, binary: dialect.binary };
        let path = dialect.path;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        client.stream.write_all(request.as_bytes()).await?;
        client.until("HTTP/1.1 101", "\r\n\r\n").await?;
        if let Some(step) = &dialect.connect {
            client.step(step).await?;
        }
        Ok(client)
    }

    async fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        let frame = self.frame(step.say);
        self.stream.write_all(&frame).await?;
        self.until("", step.until).await
    }

    /// Reads until all that came contains both.
    async fn until(&mut self, one: &str, other: &str) -> anyhow::Result<()> {
        let mut came = Vec::new();
        loop {
            let read = timeout(LONGEST, self.stream.read_buf(&mut came)).await?? > 0;
            let text = String::from_utf8_lossy(&came);
            ensure!(read, "closed after {text:?} instead of {other:?}");
            if text.contains(one) && text.contains(other) {
                return Ok(());
            }
        }
    }

    fn frame(&self, text: &str) -> Vec<u8> {
        let mut frame = text_frame(text);
        if self.binary {
            frame[0] = 0x82;
        }
        frame
    }
}

/// Fills a room and has one member tell all; returns CPU seconds for each delivery.
pub(super) async fn room(server: &Server, dialect: &Dialect) -> anyhow::Result<f64> {
    let room = Arc::new(Room::new(MEMBERS));
    let mut tasks = JoinSet::new();
    // All are held to the end: to drop a member's half for writing would end its connection.
    let mut writing = Vec::new();
    for index in 0..MEMBERS {
        let mut client = Client::connect(server.port, index, dialect).await?;
        client.step(&dialect.join).await?;
        let (before, behind) = dialect.publish;
        let frame = client.frame(&format!("{before}{}{behind}", body()));
        let (mut read, write) = client.stream.into_split();
        let members = room.clone();
        tasks.spawn(async move {
            let (mut buffer, mut frames) = (vec![0; 64 * 1024], Frames::default());
            loop {
                let count = read.read(&mut buffer).await?;
                ensure!(count > 0, "a member was disconnected");
                members.received(frames.marks(&buffer[..count])?);
            }
        });
        writing.push((write, frame));
    }
    if let Some((mut write, frame)) = writing.pop() {
        let members = room.clone();
        tasks.spawn(async move {
            let mut sent = 0;
            loop {
                let count = members.may_send(sent).await;
                write.write_all(&frame.repeat(count as usize)).await?;
                sent += count;
            }
        });
    }
    let servers = [server];
    tokio::select! {
        cost = room.cost(&servers) => Ok(cost?.iter().sum()),
        Some(ended) = tasks.join_next() => match ended? {
            Ok(()) => bail!("a member has ended"),
            Err(error) => Err(error),
        },
    }
}

/// Where a stream of frames stands: what a server sends together may come in any parts.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    /// Bytes of the payload that are still to come.
    payload: usize,
}

impl Frames {
    /// Marks in the payloads of what came.
    fn marks(&mut self, mut bytes: &[u8]) -> anyhow::Result<u64> {
        let mut marks = 0;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let (payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
                marks += payload.iter().map(|byte| u64::from(*byte == MARK)).sum::<u64>();
                self.payload -= payload.len();
                bytes = rest;
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            self.payload = match *self.head.as_slice() {
                [first, _] if first & 0x0f == 8 => bail!("a member was disconnected"),
                [_, length @ 0..=125] => length.into(),
                [_, 126, high, low] => u16::from_be_bytes([high, low]).into(),
                [_, 127, a, b, c, d, e, f, g, h] => {
                    usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h]))?
                }
                _ => continue,
            };
            self.head.clear();
        }
        Ok(marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_count_in_payloads_alone_and_however_they_come() {
        let short = [&[0x81, 35][..], &[b'x'; 34], b"#"].concat();
        let long = [&[0x82, 126, 1, 35][..], b"##", &[b'x'; 289]].concat();
        let longest = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 35][..], b"#", &[b'x'; 65_570]].concat();
        let all = [short, vec![0x81, 0], long, longest].concat();
        for part in [1, 7, 1000, all.len()] {
            let mut frames = Frames::default();
            let marks: u64 = all.chunks(part).map(|part| frames.marks(part).unwrap()).sum();
            assert_eq!(marks, 4, "in parts of {part}");
        }
        assert!(Frames::default().marks(&[0x88, 2]).is_err());
    }
}
