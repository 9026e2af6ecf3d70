//! Sends back every byte; also the least that accepts a connection and keeps it.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

pub(super) async fn run(listener: TcpListener) -> anyhow::Result<()> {
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
