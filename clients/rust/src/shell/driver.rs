//! The task of one client: brings what happens to the core and carries out what it says.

use std::{
    collections::{BTreeSet, HashMap},
    future::pending,
    sync::{Arc, OnceLock},
    time::Duration,
};

use chatcluster_protocol::{
    client::{PresenceTo, Recipient, Sent, ServerFrame},
    id::{ConversationId, MessageId, Reference, UserId},
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    dial::Dialer,
    line::{Input, Line},
    socket::Incoming,
};
use crate::{
    core::{Answer, Core, Effect, Outgoing, Question, Taken},
    error::{PrivacyError, QueryError, SendError},
    event::{Event, Fatal},
    resume::Resume,
};

/// How often the resume state is told to whoever keeps it.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// A send, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) send: Outgoing,
    pub(crate) answer: oneshot::Sender<Result<Sent, SendError>>,
}

/// What the application wants, other than to send.
#[derive(Debug)]
pub(crate) enum Command {
    Take(Taken),
    Read(ConversationId, MessageId),
    Typing(Recipient, bool),
    Watch(BTreeSet<UserId>),
    Privacy(Option<PresenceTo>, oneshot::Sender<Result<PresenceTo, PrivacyError>>),
    Ask(Question, oneshot::Sender<Result<Answer, QueryError>>),
    Close,
}

/// The driver's ends of the channels.
#[derive(Debug)]
pub(crate) struct Channels {
    pub(crate) sends: mpsc::Receiver<Sending>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) resume: watch::Sender<Resume>,
    pub(crate) fatal: Arc<OnceLock<Fatal>>,
}

/// The task's state.
pub(crate) struct Driver {
    core: Core,
    dialer: Dialer,
    channels: Channels,
    began: Instant,
    line: Line,
    /// A token for the open session, on its way.
    renewal: Option<BoxFuture<'static, Result<String, String>>>,
    goodbye: bool,
    sends: HashMap<Reference, oneshot::Sender<Result<Sent, SendError>>>,
    questions: HashMap<u64, oneshot::Sender<Result<Answer, QueryError>>>,
    settings: HashMap<u64, oneshot::Sender<Result<PresenceTo, PrivacyError>>>,
    tickets: u64,
    published: Option<Instant>,
}

/// What ended a wait.
enum Woke {
    Command(Option<Command>),
    Sending(Option<Sending>),
    /// An event went to the application, unless nobody listens any more.
    Events {
        listening: bool,
    },
    Input(Input),
    Token(Result<String, String>),
    Time,
}

impl Driver {
    pub(crate) fn new(core: Core, dialer: Dialer, channels: Channels) -> Self {
        Self {
            core,
            dialer,
            channels,
            began: Instant::now(),
            line: Line::None,
            renewal: None,
            goodbye: false,
            sends: HashMap::new(),
            questions: HashMap::new(),
            settings: HashMap::new(),
            tickets: 0,
            published: None,
        }
    }

    /// Runs until the application closes the client or the core stops.
    pub(crate) async fn run(mut self) {
        self.core.tick(self.now());
        loop {
            self.act();
            self.publish();
            if self.core.has_stopped() {
                break;
            }
            self.wait().await;
        }
        self.finish().await;
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Carries out everything that the core wants done now.
    fn act(&mut self) {
        let now = self.now();
        loop {
            let writable = matches!(&self.line, Line::Open(socket) if socket.has_room());
            let Some(effect) = self.core.poll_effect(now, writable) else { return };
            match effect {
                Effect::Dial(url) => {
                    self.line = Line::Dialing(Box::pin(self.dialer.clone().dial(url)));
                }
                Effect::Write(text) => {
                    if let Line::Open(socket) = &mut self.line {
                        socket.write(text);
                    }
                }
                Effect::Renew => self.renewal = Some((self.dialer.token.get)()),
                Effect::Drop => self.line = Line::None,
                Effect::Goodbye => self.goodbye = true,
                // Whoever dropped the ticket does not want the answer.
                Effect::Answered(reference, result) => {
                    if let Some(answer) = self.sends.remove(&reference) {
                        let _ = answer.send(result);
                    }
                }
                Effect::Privacy(ticket, result) => {
                    if let Some(answer) = self.settings.remove(&ticket) {
                        let _ = answer.send(result);
                    }
                }
                Effect::Told(ticket, result) => {
                    if let Some(answer) = self.questions.remove(&ticket) {
                        let _ = answer.send(result);
                    }
                }
            }
        }
    }

    /// Waits for the next thing to happen, and tells the core. Nothing here blocks on the application:
    /// a full queue of events only stops the reading.
    async fn wait(&mut self) {
        let now = self.now();
        let deadline = self.core.deadline(now).map(|at| self.began + at);
        let publish = self.published.filter(|_| self.core.resume_has_changed());
        let deadline = deadline.into_iter().chain(publish.map(|at| at + PUBLISH_EVERY)).min();
        let read = self.core.wants_frames();
        let Channels { sends, commands, events, .. } = &mut self.channels;
        let may_send = self.core.has_room() && !(sends.is_closed() && sends.is_empty());
        let woke = tokio::select! {
            command = commands.recv() => Woke::Command(command),
            sending = sends.recv(), if may_send => Woke::Sending(sending),
            permit = events.reserve(), if self.core.has_event() => {
                let listening = permit.is_ok();
                if let (Ok(permit), Some(event)) = (permit, self.core.poll_event()) {
                    permit.send(event);
                }
                Woke::Events { listening }
            }
            input = self.line.next(read) => Woke::Input(input),
            token = had(&mut self.renewal) => Woke::Token(token),
            () = at(deadline) => Woke::Time,
        };
        match woke {
            // Nobody holds the client any more.
            Woke::Command(None) => self.core.close(self.now()),
            Woke::Command(Some(command)) => self.command(command),
            Woke::Sending(sending) => sending.into_iter().for_each(|sending| self.send(sending)),
            Woke::Events { listening: true } => {}
            Woke::Events { listening: false } => self.core.deafen(),
            Woke::Input(input) => self.input(input),
            Woke::Token(token) => self.renewed(token),
            Woke::Time => {
                let now = self.now();
                self.core.tick(now);
            }
        }
    }

    /// One command and all that are ready, so that their frames leave together.
    fn command(&mut self, first: Command) {
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Take(taken) => self.core.take(taken),
                Command::Read(conversation, up_to) => self.core.read(conversation, up_to),
                Command::Typing(to, active) => {
                    let now = self.now();
                    self.core.typing(now, to, active);
                }
                Command::Watch(users) => self.core.watch(users),
                Command::Privacy(to, answer) => {
                    self.tickets += 1;
                    match self.core.privacy(self.tickets, to) {
                        Ok(()) => drop(self.settings.insert(self.tickets, answer)),
                        Err(error) => drop(answer.send(Err(error))),
                    }
                }
                Command::Close => self.core.close(self.now()),
                Command::Ask(question, answer) => {
                    self.tickets += 1;
                    match self.core.ask(self.tickets, question) {
                        Ok(()) => drop(self.questions.insert(self.tickets, answer)),
                        Err(error) => drop(answer.send(Err(error))),
                    }
                }
            }
            next = self.channels.commands.try_recv().ok();
        }
    }

    fn send(&mut self, first: Sending) {
        let mut next = Some(first);
        while let Some(Sending { send, answer }) = next {
            let reference = send.reference.clone();
            match self.core.send(send) {
                Ok(()) => drop(self.sends.insert(reference, answer)),
                Err(error) => drop(answer.send(Err(error))),
            }
            next = self.core.has_room().then(|| self.channels.sends.try_recv().ok()).flatten();
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Opened(token) => self.core.opened(now, token),
            Input::Incoming(Incoming::Text(text)) => {
                match serde_json::from_str::<ServerFrame>(&text) {
                    Ok(frame) => self.core.frame(now, frame),
                    Err(error) => {
                        // It stays unacknowledged, so nothing is lost by going on.
                        tracing::warn!(%error, "ignored a frame that could not be read");
                        self.core.unreadable(now, &text);
                    }
                }
            }
            Input::Incoming(Incoming::Life) => self.core.heard(now),
            Input::Incoming(Incoming::Ended(cause)) => {
                tracing::debug!(%cause, "the connection ended");
                self.core.ended(now, cause);
            }
        }
    }

    fn renewed(&mut self, token: Result<String, String>) {
        if let Err(error) = &token {
            tracing::warn!(error, "no fresh token for the session");
        }
        let now = self.now();
        self.core.renewed(now, token.ok());
    }

    fn publish(&mut self) {
        let due = self.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY);
        if (due || self.core.has_stopped())
            && let Some(resume) = self.core.changed_resume()
        {
            self.channels.resume.send_replace(resume);
            self.published = Some(Instant::now());
        }
    }

    /// The end: the last frames, then the last events. An application that closed the client gets none
    /// of these, and one that does not take them holds up nothing else.
    async fn finish(mut self) {
        let Channels { mut sends, mut commands, events, resume, fatal } = self.channels;
        if let Some(why) = self.core.fatal() {
            // Set once: the core stops once.
            let _ = fatal.set(why.clone());
        }
        sends.close();
        commands.close();
        if self.goodbye {
            if let Line::Open(socket) = self.line {
                socket.goodbye().await;
            }
            return;
        }
        drop((sends, commands, resume));
        while let Some(event) = self.core.poll_event() {
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// The token that is on its way; none is left then.
async fn had(
    renewal: &mut Option<BoxFuture<'static, Result<String, String>>>,
) -> Result<String, String> {
    let Some(coming) = renewal else { return pending().await };
    let token = coming.await;
    *renewal = None;
    token
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
