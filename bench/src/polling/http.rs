//! An HTTP client that costs little: one request at a time over one connection that is kept.

use anyhow::{Context, ensure};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Tally, counted::Counted};

/// A connection.
pub(super) struct Http {
    stream: Counted,
    token: String,
    buffer: BytesMut,
}

impl Http {
    /// The `index`-th connection of a run. Each request will carry `token`.
    pub(super) async fn connect(
        port: u16,
        index: usize,
        token: &str,
        tally: &Tally,
    ) -> anyhow::Result<Self> {
        let stream = Counted::connect(port, index, tally).await?;
        Ok(Self { stream, token: token.to_owned(), buffer: BytesMut::new() })
    }

    /// The answer's body.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<BytesMut> {
        self.ask("GET", path, "").await
    }

    pub(super) async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<BytesMut> {
        let body = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.ask("POST", path, &body).await
    }

    /// `rest` is the last header, the empty line, and the body; nothing stands for the empty line.
    async fn ask(&mut self, method: &str, path: &str, rest: &str) -> anyhow::Result<BytesMut> {
        let token = &self.token;
        let rest = if rest.is_empty() { "\r\n" } else { rest };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{rest}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = self.buffer.split_to(end);
                self.buffer.advance(4);
                break String::from_utf8_lossy(&head).to_ascii_lowercase();
            }
            self.read().await?;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(Ok(0), |length| length.trim().parse()).context(head.clone())?;
        while self.buffer.len() < length {
            self.read().await?;
        }
        let body = self.buffer.split_to(length);
        let fine = head.starts_with("http/1.1 2");
        ensure!(fine, "{path}: {head}\n{}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "closed by the server");
        Ok(())
    }
}
