//! Connections to the floor.

use anyhow::Result;
use futures_util::future::{try_join, try_join_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::DEPTH;
use crate::wire;

/// Bytes of a message: what a short one to a group has as a WebSocket frame.
pub(super) const FRAME: usize = 320;

pub(super) struct Plain {
    sender: TcpStream,
    others: Vec<TcpStream>,
}

impl Plain {
    pub(super) async fn open(port: u16, size: usize) -> Result<Self> {
        let connect = async |index| wire::connect(port, index).await;
        Ok(Self { sender: connect(0).await?, others: wire::open_all(1..size, connect).await? })
    }

    /// [`DEPTH`] messages, until everybody has them.
    pub(super) async fn window(&mut self) -> Result<()> {
        let send = self.sender.write_all(&[b'x'; DEPTH * FRAME]);
        let receive = try_join_all(
            self.others
                .iter_mut()
                .map(async |member| member.read_exact(&mut [0; DEPTH * FRAME]).await),
        );
        try_join(send, receive).await?;
        Ok(())
    }
}
