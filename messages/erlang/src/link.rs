//! One connection to a node, with the calls that are under way on it.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    error::{CallError, Raised},
    handshake::Names,
    passing::{self, Answer, Number, Requests},
    term::Term,
};

/// What the arguments of all calls under way may take together.
const ROOM: u32 = 64 << 20;

/// The unit of [`ROOM`], and the least that a call takes of it.
const UNIT: u32 = 4 << 10;

/// What the arguments of one call may take.
const LARGEST_CALL: usize = 16 << 20;

/// The longest message that a node may send.
const LARGEST_MESSAGE: usize = 256 << 20;

/// Requests are written together up to about this many bytes.
const TOGETHER: usize = 256 << 10;

/// The calls that wait for their answers, until the connection ends.
#[derive(Debug, Default)]
struct Waiting(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    calls: HashMap<Number, oneshot::Sender<Result<Term, Raised>>>,
    ended: Option<String>,
}

#[derive(Debug)]
struct Request {
    call: Number,
    frame: BytesMut,
    _room: Arc<OwnedSemaphorePermit>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) names: Names,
    requests: Requests,
    next: AtomicU64,
    room: Arc<Semaphore>,
    waiting: Arc<Waiting>,
    outgoing: mpsc::Sender<Request>,
}

/// What has to be polled for a connection to do anything.
pub(crate) struct Driver<S> {
    stream: S,
    waiting: Arc<Waiting>,
    outgoing: mpsc::Receiver<Request>,
}

impl Link {
    /// A connection over a stream on which hands have been shaken.
    pub(crate) fn new<S>(stream: S, names: Names) -> (Self, Driver<S>) {
        let waiting = Arc::new(Waiting::default());
        // Never full, since each request takes a unit of the room.
        let (sender, receiver) = mpsc::channel((ROOM / UNIT) as usize);
        let link = Self {
            requests: Requests::new(&names),
            names,
            next: AtomicU64::new(1),
            room: Arc::new(Semaphore::new((ROOM / UNIT) as usize)),
            waiting: waiting.clone(),
            outgoing: sender,
        };
        (link, Driver { stream, waiting, outgoing: receiver })
    }

    /// Calls a function.
    pub(crate) async fn call(
        &self,
        module: &str,
        function: &str,
        arguments: &[Term],
        within: Duration,
    ) -> Result<Term, CallError> {
        let size = arguments.iter().map(Term::size).sum();
        let units = match u32::try_from(size) {
            Ok(bytes) if size <= LARGEST_CALL => bytes.div_ceil(UNIT).max(1),
            _ => return Err(CallError::TooLarge(size)),
        };
        let deadline = Instant::now() + within;
        let room = timeout_at(deadline, self.room.clone().acquire_many_owned(units)).await;
        let room = room.map_err(|_| CallError::Overloaded)?;
        // Nobody closes the semaphore.
        let room = Arc::new(room.map_err(|_| CallError::Overloaded)?);

        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, _entry) = self.waiting.add(call)?;
        let frame = self.requests.call(call, module, function, arguments);
        // Where the driver has ended, so have the calls that wait.
        let _ = self.outgoing.try_send(Request { call, frame, _room: room.clone() });
        match timeout_at(deadline, answer).await {
            Err(_) => Err(CallError::Deadline),
            Ok(Err(_)) => Err(CallError::Lost(self.waiting.ended())),
            Ok(Ok(answer)) => answer.map_err(|raised| CallError::Raised(Box::new(raised))),
        }
    }
}

/// A call's place among those that wait; it is given up by dropping this.
struct Entry<'a> {
    waiting: &'a Waiting,
    call: Number,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.waiting.state().calls.remove(&self.call);
    }
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(
        &self,
        call: Number,
    ) -> Result<(oneshot::Receiver<Result<Term, Raised>>, Entry<'_>), CallError> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        if let Some(reason) = &state.ended {
            return Err(CallError::Unconnected(reason.clone()));
        }
        state.calls.insert(call, sender);
        Ok((receiver, Entry { waiting: self, call }))
    }

    fn waits(&self, call: Number) -> bool {
        self.state().calls.contains_key(&call)
    }

    fn answer(&self, Answer { call, outcome }: Answer) {
        if let Some(sender) = self.state().calls.remove(&call) {
            // Its deadline may just have passed.
            let _ = sender.send(outcome);
        }
    }

    fn end(&self, reason: &str) {
        let mut state = self.state();
        state.ended = Some(reason.to_owned());
        state.calls.clear();
    }

    fn ended(&self) -> String {
        self.state().ended.clone().unwrap_or_else(|| "it was closed".to_owned())
    }
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    /// Moves requests and answers until the connection ends, and tells why. A node that was silent for
    /// `tick_time` is taken for dead; to show it that we live, something is sent four times as often.
    pub(crate) async fn run(self, tick_time: Duration) -> String {
        let Self { stream, waiting, outgoing } = self;
        let (from, to) = tokio::io::split(stream);
        let reason = tokio::select! {
            reason = read(from, &waiting, tick_time) => reason,
            reason = write(to, &waiting, outgoing, tick_time) => reason,
        };
        waiting.end(&reason);
        reason
    }
}

async fn read<R: AsyncRead + Unpin>(mut from: R, waiting: &Waiting, tick_time: Duration) -> String {
    let mut buffer = BytesMut::new();
    loop {
        loop {
            match message(&mut buffer).map(|message| message.map(passing::read)) {
                Err(length) => return format!("the node sent a message of {length} bytes"),
                Ok(None) => break,
                Ok(Some(Ok(None))) => {}
                Ok(Some(Ok(Some(answer)))) => waiting.answer(answer),
                Ok(Some(Err(malformed))) => {
                    return format!("the node sent what cannot be read: {malformed}");
                }
            }
        }
        buffer.reserve(TOGETHER);
        match timeout(tick_time, from.read_buf(&mut buffer)).await {
            Err(_) => return "the node was silent".to_owned(),
            Ok(Ok(0)) => return "the node closed the connection".to_owned(),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.to_string(),
        }
    }
}

/// Takes the next message, if all of it is there; ticks, which are empty, are passed over.
fn message(buffer: &mut BytesMut) -> Result<Option<Bytes>, usize> {
    while let Some(length) = buffer.first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        if length > LARGEST_MESSAGE {
            return Err(length);
        }
        if buffer.len() < 4 + length {
            return Ok(None);
        }
        buffer.advance(4);
        if length > 0 {
            return Ok(Some(buffer.split_to(length).freeze()));
        }
    }
    Ok(None)
}

async fn write<W: AsyncWrite + Unpin>(
    mut to: W,
    waiting: &Waiting,
    mut outgoing: mpsc::Receiver<Request>,
    tick_time: Duration,
) -> String {
    const TICK: [u8; 4] = [0; 4];
    let mut buffer = BytesMut::with_capacity(TOGETHER);
    loop {
        // What the requests take stays taken until they are written.
        let mut written = Vec::new();
        match timeout(tick_time / 4, outgoing.recv()).await {
            Err(_) => buffer.extend_from_slice(&TICK),
            Ok(None) => return "it is not needed any more".to_owned(),
            Ok(Some(first)) => {
                let mut next = Some(first);
                while let Some(request) = next {
                    // Whoever has given up meanwhile needs no answer.
                    if waiting.waits(request.call) {
                        buffer.extend_from_slice(&request.frame);
                        written.push(request);
                    }
                    next = if buffer.len() < TOGETHER { outgoing.try_recv().ok() } else { None };
                }
            }
        }
        if let Err(error) = flushed(&mut to, &buffer).await {
            return error.to_string();
        }
        buffer.clear();
    }
}

async fn flushed<W: AsyncWrite + Unpin>(to: &mut W, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_as_they_come_and_ticks_passed_over() {
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for byte in [0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b', 0, 0, 0, 1, b'c', 0, 0] {
            buffer.extend_from_slice(&[byte]);
            found.extend(message(&mut buffer).unwrap());
        }
        assert_eq!(found, ["ab", "c"]);
        assert_eq!(buffer.len(), 2);
        let mut buffer = BytesMut::from(&[255, 255, 255, 255][..]);
        assert_eq!(message(&mut buffer), Err(u32::MAX as usize));
    }
}
