//! The task of a connection: whenever it wakes, it takes in all that the client has sent, gives the
//! session its time, and writes all that is queued, in one go.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::client::{CloseCode, Error as ErrorFrame, ErrorCode, decode};
use gateway_core::session::Input;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep, sleep_until},
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use super::{Cause, Ending, Received, Socket};
use crate::{
    hub::{Hub, Place},
    metrics::Label,
    sessions::Cell,
};

/// Frames taken from one client before its answers are written and others get their turn.
const FRAMES: usize = 64;

/// A connection with its session. A future that ends with the connection.
pub struct Connection<S, M: Manager> {
    hub: Arc<Hub<M>>,
    cell: Arc<Cell>,
    socket: Socket<S>,
    /// When [`crate::sessions::Deadlines`] wakes it for the session. A deadline that has moved away is
    /// noticed then, so a busy connection changes nothing there.
    wakes: Option<Duration>,
    /// While the client takes nothing: how much is left to write, and our patience.
    stalled: Option<(usize, Pin<Box<Sleep>>)>,
    ending: Option<Box<(Ending, Pin<Box<Sleep>>)>>,
    _place: Option<Place>,
}

impl<S, M> Connection<S, M>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: Manager,
{
    /// A connection that has just become a WebSocket. Its place is given back at its end.
    pub fn new(socket: Socket<S>, hub: Arc<Hub<M>>, place: Option<Place>) -> Self {
        let cell = hub.open(hub.next_connection());
        Self { hub, cell, socket, wakes: None, stalled: None, ending: None, _place: place }
    }

    /// Works until nothing is left to do now. `Some` when the connection ends.
    fn work(&mut self, cx: &mut Context<'_>) -> Option<Cause> {
        let now = self.hub.clock().now().monotonic;
        if self.wakes.take_if(|wakes| *wakes <= now).is_some() {
            self.hub.feed_own(&self.cell, Input::Tick);
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
                Poll::Pending if self.poll_stalled(cx).is_ready() => return Some(Cause::Stalled),
                Poll::Pending => false,
            };
            if !more {
                break;
            }
        }
        self.arm();
        None
    }

    /// Takes frames, and says whether their answers are to be written and more be taken.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        for taken in 0..FRAMES {
            let input = match self.socket.poll_next(cx) {
                Poll::Ready(Ok(Received::Text(text))) => {
                    self.hub.metrics().frames_in.inc();
                    Input::Frame(decode(&text))
                }
                Poll::Ready(Ok(Received::Binary(_))) => {
                    let text = "frames are JSON in text frames, not binary ones";
                    Input::Frame(Err(Box::new(ErrorFrame::new(ErrorCode::BadFrame, text))))
                }
                Poll::Ready(Ok(Received::Ping)) => Input::Heard,
                Poll::Ready(Ok(Received::Pong)) => Input::Pong,
                Poll::Ready(Err(cause)) => return Err(cause),
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
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<CloseCode>>> {
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
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            if ping {
                self.socket.ping(cx)?;
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
    ) -> Poll<io::Result<()>> {
        if frames.is_empty() && self.socket.backlog() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut next = std::iter::from_fn(|| frames.pop_front().map(|frame| (Data::Text, frame)));
        self.socket.poll_send(cx, &mut next)
    }

    /// The client takes nothing; `Ready` when that has lasted too long. Each byte that it does take gives
    /// it another heartbeat.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let backlog = self.socket.backlog();
        if self.stalled.as_ref().is_none_or(|(before, _)| *before != backlog) {
            self.stalled = Some((backlog, Box::pin(sleep(self.hub.heartbeat()))));
        }
        self.stalled.as_mut().map_or(Poll::Pending, |(_, patience)| patience.as_mut().poll(cx))
    }

    /// Sees to it that the task wakes for the session's next deadline.
    fn arm(&mut self) {
        let due = self.cell.lock().session.deadline(self.hub.heartbeat());
        if let Some(due) = due
            && self.wakes.is_none_or(|wakes| due < wakes)
        {
            self.wakes = Some(self.hub.deadlines().wake(self.cell.connection(), due));
        }
    }

    /// Tells the session, and begins the end.
    fn end(&mut self, cause: Cause) -> Poll<()> {
        let label = Label { kind: cause.label().into() };
        self.hub.metrics().closed.get_or_create(&label).inc();
        self.hub.close(&self.cell);
        let Some(ending) = Ending::of(cause) else { return Poll::Ready(()) };
        let patience = Box::pin(sleep_until(ending.until()));
        self.ending = Some(Box::new((ending, patience)));
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
        let (ending, patience) = &mut **ending;
        if patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        ending.poll(cx, &mut this.socket)
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
