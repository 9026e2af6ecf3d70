//! The floors: the least program that does the same work with the same tools.

mod echo;
mod fan_out;
mod hop;
mod tls;

use std::{net::Ipv4Addr, path::PathBuf};

use anyhow::Context;
use chatcluster_config::ServerTls;
use clap::{Args, ValueEnum};
use tokio::net::TcpListener;

pub(crate) use hop::{ANSWER, MESSAGE};

use crate::polling;

/// Which floor, and what it needs.
#[derive(Debug, Clone, Args)]
pub(crate) struct Floor {
    kind: Kind,
    /// Of the TLS floor.
    #[arg(long)]
    certificate: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
}

/// Which floor.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// One tokio task and TcpStream per connection, which sends back every byte.
    Echo,
    /// Holds a request until there is something to answer, see [`polling::serve`].
    LongPoll,
    /// Blocking threads: for each message of [`MESSAGE`] bytes, [`ANSWER`] bytes back.
    Hop,
    /// One thread and epoll: what one connection sends goes to all others.
    FanOut,
    /// One tokio task per connection, which accepts it by tokio-rustls.
    Tls,
}

/// Listens on a free port, prints it, and serves until it is killed.
#[allow(clippy::print_stdout, reason = "tells the port to the process that started it")]
pub(crate) fn run(floor: Floor) -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on {}", listener.local_addr()?);
    match floor.kind {
        Kind::Echo => serve(listener, echo::run),
        Kind::LongPoll => serve(listener, polling::serve),
        Kind::Hop => hop::run(&listener),
        Kind::FanOut => fan_out::run(listener),
        Kind::Tls => {
            let certificate = floor.certificate.context("no certificate")?;
            let key = floor.key.context("no key")?;
            serve(listener, async |listener| {
                tls::run(listener, ServerTls { certificate, key }).await
            })
        }
    }
}

/// On a runtime like the gateway's.
fn serve(
    listener: std::net::TcpListener,
    run: impl AsyncFnOnce(TcpListener) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { run(TcpListener::from_std(listener)?).await })
}
