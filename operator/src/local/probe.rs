//! Asking a child whether it is ready.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// Between two questions: short beside a start, which takes 50 ms and more.
const PAUSE: Duration = Duration::from_millis(50);

/// An answer comes at once or is worth nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a child says that it is ready.
#[derive(Debug, Clone, Copy)]
pub(super) enum Probe {
    /// `/readyz` on this admin port.
    Admin(u16),
    /// Redis' `PING` on this port.
    Redis(u16),
}

impl Probe {
    /// Returns when the child is ready.
    pub(super) async fn until_ready(self) {
        while !matches!(timeout(PATIENCE, self.ask()).await, Ok(Ok(true))) {
            sleep(PAUSE).await;
        }
    }

    async fn ask(self) -> io::Result<bool> {
        let (port, question, answer): (u16, &[u8], &[u8]) = match self {
            Self::Admin(port) => (port, b"GET /readyz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200"),
            Self::Redis(port) => (port, b"PING\r\n", b"+PONG"),
        };
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(question).await?;
        let mut got = [0; 12];
        let got = &mut got[..answer.len()];
        stream.read_exact(got).await?;
        Ok(got == answer)
    }
}
