//! The way from the services to a node, which can break.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

/// How a way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// Nothing passes, and nobody is told.
    Silent,
    /// Connections are broken, and none comes about.
    Cut,
}

/// A way to an address.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    _accepts: AbortOnDropHandle<()>,
}

impl Link {
    pub(crate) async fn new(to: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, seen) = watch::channel(State::Open);
        let accepts = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Too many open files: some will be closed.
                    sleep(Duration::from_millis(50)).await;
                    continue;
                };
                tokio::spawn(joined(stream, to.clone(), seen.clone()));
            }
        });
        Ok(Self { address, state, _accepts: AbortOnDropHandle::new(accepts) })
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

/// Passes on what comes, for as long as it may.
async fn joined(near: TcpStream, to: String, state: watch::Receiver<State>) {
    let passes = async {
        let Ok(far) = TcpStream::connect(&to).await else { return };
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = pass(near_in, far_out, state.clone()) => {}
            () = pass(far_in, near_out, state.clone()) => {}
        }
    };
    let mut seen = state.clone();
    tokio::select! {
        biased;
        _ = seen.wait_for(|state| *state == State::Cut) => {}
        () = passes => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|state| *state != State::Silent).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
