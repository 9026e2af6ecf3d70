//! A session and what it wants written.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chatcluster_protocol::client::CloseCode;
use futures_util::task::AtomicWaker;
use gateway_core::{ConnectionId, Session};

/// One session, shared by its connection and by those who have something for it.
#[derive(Debug)]
pub struct Cell {
    connection: ConnectionId,
    inner: Mutex<Inner>,
    /// Of the connection's task.
    waker: AtomicWaker,
}

/// What the lock guards. It is held for one input at a time and never over an await.
#[derive(Debug)]
pub struct Inner {
    /// The session.
    pub session: Session,
    /// What it wants written.
    pub queue: Queue,
}

/// Frames for the client, in order.
///
/// Its bound is the session's: at most a window of unacknowledged pushes (1 MiB and one frame), the
/// answers to what the client may have in flight, and nothing more is read from a client that does
/// not take its answers.
#[derive(Debug, Default)]
pub struct Queue {
    /// Text frames, shared with whoever else gets them.
    pub frames: VecDeque<Bytes>,
    /// A ping, behind them.
    pub ping: bool,
    /// The end of the connection, behind all.
    pub close: Option<CloseCode>,
}

impl Cell {
    /// A new session.
    pub fn new(session: Session) -> Self {
        let connection = session.connection();
        let inner = Mutex::new(Inner { session, queue: Queue::default() });
        Self { connection, inner, waker: AtomicWaker::new() }
    }

    /// Which connection it is.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The session. Whoever changes it calls [`Self::wake`] after.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the connection's task look at the queue and the session's deadline.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// The task to wake.
    pub fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}
