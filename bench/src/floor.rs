//! The floors: the least program that does the same work with the same tools.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream as StdStream},
    pin::Pin,
    task::{Context, Poll, ready},
};

use clap::ValueEnum;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Which floor.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// One tokio task and TcpStream per connection, which sends back every byte.
    Echo,
    /// Blocking threads: for each message of [`MESSAGE`] bytes, [`ANSWER`] bytes back.
    Hop,
}

/// Bytes of a message at the hop floor: about an encoded delivery of a short chat message.
pub(crate) const MESSAGE: usize = 256;
/// Bytes of an answer at the hop floor.
pub(crate) const ANSWER: usize = 16;

/// Listens on a free port, prints it, and serves until it is killed.
#[allow(clippy::print_stdout, reason = "tells the port to the process that started it")]
pub(crate) fn run(kind: Kind) -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on {}", listener.local_addr()?);
    match kind {
        Kind::Echo => {
            listener.set_nonblocking(true)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async { echo(TcpListener::from_std(listener)?).await })
        }
        Kind::Hop => loop {
            let (stream, _) = listener.accept()?;
            std::thread::spawn(move || hop(stream));
        },
    }
}

async fn echo(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // The task holds the stream and what the socket did not take; the read buffer is the thread's.
            let mut rest = Box::<[u8]>::default();
            poll_fn(|cx| poll_echo(&mut stream, &mut rest, cx)).await
        });
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

fn poll_echo(
    stream: &mut TcpStream,
    rest: &mut Box<[u8]>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut stream = Pin::new(stream);
    loop {
        while !rest.is_empty() {
            let written = ready!(stream.as_mut().poll_write(cx, rest))?;
            *rest = rest[written..].into();
        }
        let read = BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(stream.as_mut().poll_read(cx, &mut read))?;
            let mut bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(false));
            }
            while !bytes.is_empty() {
                match stream.as_mut().poll_write(cx, bytes)? {
                    Poll::Ready(written) => bytes = &bytes[written..],
                    Poll::Pending => break,
                }
            }
            *rest = bytes.into();
            Poll::Ready(io::Result::Ok(true))
        });
        if !ready!(read)? {
            return Poll::Ready(Ok(()));
        }
    }
}

fn hop(mut stream: StdStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut held) = (vec![0; 256 * 1024], 0);
    let mut answers = Vec::new();
    loop {
        let read = stream.read(&mut buffer[held..])?;
        if read == 0 {
            return Ok(());
        }
        held += read;
        let whole = held / MESSAGE * MESSAGE;
        answers.clear();
        for message in buffer[..whole].chunks_exact(MESSAGE) {
            answers.extend_from_slice(&message[..ANSWER]);
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
        stream.write_all(&answers)?;
    }
}
