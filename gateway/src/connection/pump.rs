//! The task of a connection: whenever it wakes, it takes in all that the client has sent, gives the
//! session its time, and writes all that is queued, in one go.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::client::{CloseCode, Error as ErrorFrame, ErrorCode, decode};
use futures_util::{SinkExt, StreamExt};
use gateway_core::session::Input;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message},
};

use super::{
    Outgoing,
    ending::{Cause, Ending},
};
use crate::{hub::Hub, metrics::Label, sessions::Cell};

/// Frames taken from one client before its answers are written and others get their turn.
const FRAMES: usize = 64;

/// A connection with its session. A future that ends with the connection.
pub struct Connection<S, M: Manager> {
    hub: Arc<Hub<M>>,
    cell: Arc<Cell>,
    stream: WebSocketStream<Outgoing<S>>,
    /// One timer for all deadlines. A deadline that has moved away is noticed when the timer fires, so a
    /// busy connection does not touch it.
    timer: Pin<Box<Sleep>>,
    /// While the client takes nothing: how much is left to write, and when we give up.
    stalled: Option<(usize, Instant)>,
    ending: Option<Ending>,
}

impl<S, M> Connection<S, M>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: Manager,
{
    /// A connection that has just become a WebSocket.
    pub fn new(stream: WebSocketStream<Outgoing<S>>, hub: Arc<Hub<M>>) -> Self {
        let cell = hub.open(hub.next_connection());
        let timer = Box::pin(sleep_until(Instant::now() + Duration::from_secs(1)));
        Self { hub, cell, stream, timer, stalled: None, ending: None }
    }

    /// Works until nothing is left to do now. `Some` when the connection ends.
    fn work(&mut self, cx: &mut Context<'_>) -> Option<Cause> {
        if self.timer.as_mut().poll(cx).is_ready() {
            self.hub.feed_own(&self.cell, Input::Tick);
            if self.stalled.is_some_and(|(_, until)| until <= Instant::now()) {
                return Some(Cause::Stalled);
            }
        }
        loop {
            // What the client does not read is not answered with more: then nothing is read from it.
            let more = match self.poll_write(cx) {
                Poll::Ready(Ok(Some(code))) => return Some(Cause::Session(code)),
                Poll::Ready(Ok(None)) => match self.read(cx) {
                    Ok(more) => more,
                    Err(cause) => return Some(cause),
                },
                Poll::Ready(Err(_)) => return Some(Cause::Lost),
                Poll::Pending => false,
            };
            if !more {
                break;
            }
        }
        self.arm(cx);
        None
    }

    /// Takes frames, and says whether their answers are to be written and more be taken.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        for taken in 0..FRAMES {
            let input = match self.stream.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    self.hub.metrics().frames_in.inc();
                    Input::Frame(decode(&text))
                }
                Poll::Ready(Some(Ok(Message::Binary(_)))) => {
                    let text = "frames are JSON in text frames, not binary ones";
                    Input::Frame(Err(Box::new(ErrorFrame::new(ErrorCode::BadFrame, text))))
                }
                Poll::Ready(Some(Ok(Message::Close(_)))) => return Err(Cause::Client),
                Poll::Ready(Some(Ok(_))) => Input::Heard,
                Poll::Ready(Some(Err(error))) => return Err(Cause::of(&error)),
                Poll::Ready(None) => return Err(Cause::Lost),
                Poll::Pending => return Ok(taken > 0),
            };
            self.hub.feed_own(&self.cell, input);
        }
        // Others get their turn.
        cx.waker().wake_by_ref();
        Ok(false)
    }

    /// Writes all that is queued. `Ready` when it is with the socket; with the close code, if one was
    /// behind it.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<CloseCode>, tungstenite::Error>> {
        loop {
            let (mut frames, ping, close) = {
                let mut inner = self.cell.lock();
                let queue = &mut inner.queue;
                let ping = queue.frames.is_empty() && std::mem::take(&mut queue.ping);
                // Taken with its memory: an idle session keeps none.
                (std::mem::take(&mut queue.frames), ping, queue.close)
            };
            let count = frames.len();
            let sent = self.poll_frames(cx, &mut frames);
            self.hub.metrics().frames_out.inc_by((count - frames.len()) as u64);
            if !frames.is_empty() || sent.is_pending() {
                let queue = &mut self.cell.lock().queue;
                frames.append(&mut queue.frames);
                queue.frames = frames;
                queue.ping |= ping;
            }
            match sent {
                Poll::Ready(Ok(())) => self.stalled = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    self.stall();
                    return Poll::Pending;
                }
            }
            if ping {
                // Goes behind the frames; a full socket keeps it in the backlog of `Outgoing`.
                self.stream.start_send_unpin(Message::Ping(Bytes::new()))?;
                let _ = self.stream.poll_flush_unpin(cx)?;
            }
            if count == 0 {
                return Poll::Ready(Ok(close));
            }
        }
    }

    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Bytes>,
    ) -> Poll<std::io::Result<()>> {
        if frames.is_empty() && self.stream.get_ref().backlog() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut next = std::iter::from_fn(|| frames.pop_front());
        self.stream.get_mut().poll_send(cx, &mut next)
    }

    /// The client takes nothing. Each byte that it does take gives it another heartbeat.
    fn stall(&mut self) {
        let backlog = self.stream.get_ref().backlog();
        if self.stalled.is_none_or(|(before, _)| before != backlog) {
            self.stalled = Some((backlog, Instant::now() + self.hub.heartbeat()));
        }
    }

    /// Sees to it that the task wakes for the next deadline.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let due = self.cell.lock().session.deadline(self.hub.heartbeat());
        let due = due.map(|due| self.hub.clock().instant(due));
        let stalled = self.stalled.map(|(_, until)| until);
        let Some(due) = [due, stalled].into_iter().flatten().min() else { return };
        if due < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(due);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Tells the session, and begins the end.
    fn end(&mut self, cause: Cause) -> Poll<()> {
        let label = Label { kind: cause.label().into() };
        self.hub.metrics().closed.get_or_create(&label).inc();
        self.hub.close(&self.cell);
        let Some(ending) = Ending::of(cause) else { return Poll::Ready(()) };
        self.timer.as_mut().reset(ending.until());
        self.ending = Some(ending);
        Poll::Pending
    }
}

impl<S, M> Future for Connection<S, M>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: Manager,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.cell.register(cx.waker());
        if this.ending.is_none() {
            let Some(cause) = this.work(cx) else { return Poll::Pending };
            if this.end(cause).is_ready() {
                return Poll::Ready(());
            }
        }
        let Some(ending) = &mut this.ending else { return Poll::Ready(()) };
        if this.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        ending.poll(cx, &mut this.stream)
    }
}

impl<S, M: Manager> Drop for Connection<S, M> {
    fn drop(&mut self) {
        // The task may be dropped with its runtime; a session never outlives its socket unnoticed.
        if self.ending.is_none() {
            self.hub.close(&self.cell);
        }
    }
}
