//! The application's side: a handle to send with, and a stream of events.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use chatcluster_protocol::{
    client::{
        Content, GroupChange, GroupCreation, GroupName, GroupRequest, GroupState, HistoryPage,
        PresenceTo, Receipts, ReceiptsRequest, Recipient, RequestId, Sent,
    },
    id::{ConversationId, GroupId, MessageId, Reference, UserId},
    limits::WATCHED,
};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::{
    config::{Acks, Config},
    core::{Answer, Core, Options, Outgoing, Question, Taken},
    error::{ConfigError, PrivacyError, QueryError, SendError, TooManyWatched},
    event::{Event, Fatal},
    history::HistoryQuery,
    resume::Resume,
    shell::{self, Channels, Command, Driver, Sending},
};

/// Between the application and the client's task. The queues that count are the outbox and the
/// events; these only bridge a task switch.
const BRIDGE: usize = 64;

/// A connected device of a user. Clones are handles to the same connection; when the last of them,
/// its [`Events`] and its tickets are gone, the client ends.
#[derive(Debug, Clone)]
pub struct Client {
    sends: mpsc::Sender<Sending>,
    commands: mpsc::Sender<Command>,
    resume: watch::Receiver<Resume>,
    fatal: Arc<OnceLock<Fatal>>,
}

/// What happens to a client, in order. Take them steadily: at 256 untaken events the client stops
/// reading. Without this stream (dropped) messages stay in the device's inbox, unacknowledged.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
    commands: mpsc::Sender<Command>,
    acks: Acks,
    /// What [`Events::next`] returned last, under [`Acks::OnNext`].
    untaken: Option<Taken>,
}

/// A message on its way; await it for the answer. Dropping it does not stop the message.
#[derive(Debug)]
#[must_use = "the outcome of a send is told here only"]
pub struct SendTicket {
    reference: Reference,
    answer: oneshot::Receiver<Result<Sent, SendError>>,
    fatal: Arc<OnceLock<Fatal>>,
    /// Keeps the client alive until there is an answer.
    _alive: mpsc::Sender<Command>,
}

impl Client {
    /// Starts a client on the current tokio runtime and returns at once: it connects by itself, and
    /// again whenever a connection ends.
    pub fn connect(config: Config) -> Result<(Self, Events), ConfigError> {
        let dialer = shell::dialer(&config)?;
        let (sends_in, sends) = mpsc::channel(BRIDGE);
        let (commands_in, commands) = mpsc::channel(BRIDGE);
        let (events, events_out) = mpsc::channel(BRIDGE);
        let (resume, resume_out) = watch::channel(config.resume.clone());
        let fatal = Arc::new(OnceLock::new());
        let options = Options {
            endpoints: config.endpoints,
            device: config.device,
            resume: config.resume,
            backoff: config.backoff,
            outbox: config.outbox.max(1),
            token_renews: config.token.renews,
        };
        let core = Core::new(options, rand::random());
        let channels = Channels { sends, commands, events, resume, fatal: Arc::clone(&fatal) };
        tokio::spawn(Driver::new(core, dialer, channels).run());
        let client =
            Self { sends: sends_in, commands: commands_in.clone(), resume: resume_out, fatal };
        let acks = config.acks;
        Ok((client, Events { events: events_out, commands: commands_in, acks, untaken: None }))
    }

    /// Sends a message, now or when there is a connection. Messages to one recipient arrive in the
    /// order of these calls. Waits only while the outbox is full.
    pub async fn send(&self, to: Recipient, content: Content) -> SendTicket {
        // 32 hexadecimal digits are within a reference's alphabet and length.
        #[allow(clippy::expect_used)]
        let reference = Reference::new(Uuid::new_v4().simple().to_string()).expect("a reference");
        self.send_as(reference, to, content).await
    }

    /// Sends under a reference of the application's own, which it may keep and use again after a crash:
    /// within 7 days the same reference never makes a second message.
    pub async fn send_as(
        &self,
        reference: Reference,
        to: Recipient,
        content: Content,
    ) -> SendTicket {
        let (answer, answered) = oneshot::channel();
        let send = Outgoing { reference: reference.clone(), to, content };
        // A client that has ended drops the sender of the answer, which the ticket reports.
        let _ = self.sends.send(Sending { send, answer }).await;
        SendTicket {
            reference,
            answer: answered,
            fatal: Arc::clone(&self.fatal),
            _alive: self.commands.clone(),
        }
    }

    /// A page of what was said. Asked again by itself when the connection is lost.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, QueryError> {
        match self.ask(Question::History(Box::new(query.into()))).await? {
            Answer::Page(page) => Ok(page),
            _ => Err(QueryError::Odd),
        }
    }

    /// Makes a group of this user, who owns it, and of these members, at most 100: more are added by
    /// [`GroupChange::Add`]. The group is there once the ticket says so.
    pub async fn create_group(
        &self,
        name: GroupName,
        members: Vec<UserId>,
    ) -> (GroupId, SendTicket) {
        let group = GroupId::from_random(rand::random());
        let change = GroupChange::Create(GroupCreation { name, members });
        (group, self.change_group(group, &change).await)
    }

    /// Changes a group, by a message to it: what is sent to the group after this call finds it changed. A change
    /// that the user may not make is refused.
    pub async fn change_group(&self, group: GroupId, change: &GroupChange) -> SendTicket {
        self.send(Recipient::Group(group), change.content()).await
    }

    /// Who takes part in a group. Asked again by itself when the connection is lost.
    pub async fn group(&self, group: GroupId) -> Result<GroupState, QueryError> {
        // The core gives it its id.
        let id = RequestId::MAX;
        match self.ask(Question::Group(GroupRequest { id, group })).await? {
            Answer::Group(state) => Ok(state),
            _ => Err(QueryError::Odd),
        }
    }

    /// How many have received and read a message of this user's, as of now; who of them, if `members`. In a
    /// conversation of two [`Event::Receipt`] says so by itself; in a group nobody sends receipts, so ask while
    /// it is shown. Asked again by itself when the connection is lost.
    pub async fn receipts(
        &self,
        message: MessageId,
        members: bool,
    ) -> Result<Receipts, QueryError> {
        let id = RequestId::MAX;
        match self.ask(Question::Receipts(ReceiptsRequest { id, message, members })).await? {
            Answer::Receipts(receipts) => Ok(receipts),
            _ => Err(QueryError::Odd),
        }
    }

    async fn ask(&self, question: Question) -> Result<Answer, QueryError> {
        let (answer, answered) = oneshot::channel();
        let ended = || QueryError::stopped(self.fatal.get());
        self.commands.send(Command::Ask(question, answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// The user has read a conversation up to this message. The others in it are told, and so are the user's
    /// other devices ([`Event::Receipt`] of kind `Read`). Call it as often as you like: a lower mark changes
    /// nothing, and what has no answer is sent again on the next connection. It ends with the client; the
    /// next message that is read makes up for it.
    pub async fn read(&self, conversation: ConversationId, up_to: MessageId) {
        // A client that has ended cannot tell anybody.
        let _ = self.commands.send(Command::Read(conversation, up_to)).await;
    }

    /// The user is typing to somebody, or has stopped (`active` is `false`). Call it with every key: what says
    /// nothing new is not sent. Whoever is connected is told, now or not at all; groups are not. A message ends it
    /// by itself.
    pub fn typing(&self, to: Recipient, active: bool) {
        // Where so many commands wait, it would come too late.
        let _ = self.commands.try_send(Command::Typing(to, active));
    }

    /// Watches who of these users is online, and nobody else: [`Event::Presence`] tells, until another call. Each
    /// connection begins with it anew, and between connections nothing is known. Whoever does not let this user see
    /// it looks like somebody of whom nothing is known. What [`Events`] holds already is told, also of those who are
    /// watched no more.
    ///
    /// # Errors
    /// When they are more than a connection may watch; nothing has changed then.
    pub async fn watch(
        &self,
        users: impl IntoIterator<Item = UserId>,
    ) -> Result<(), TooManyWatched> {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        if users.len() > WATCHED {
            return Err(TooManyWatched(users.len()));
        }
        // A client that has ended cannot tell anybody.
        let _ = self.commands.send(Command::Watch(users)).await;
        Ok(())
    }

    /// Sets who may see when the user is online, or asks who may (`None`). Answered once it is stored, which
    /// takes effect within about a minute. Asked again by itself when the connection is lost.
    pub async fn privacy(&self, to: Option<PresenceTo>) -> Result<PresenceTo, PrivacyError> {
        let (answer, answered) = oneshot::channel();
        let ended = || PrivacyError::stopped(self.fatal.get());
        self.commands.send(Command::Privacy(to, answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// The application has kept this message ([`Acks::Manual`]).
    pub async fn ack(&self, message: MessageId) {
        self.take(Taken::Message(message)).await;
    }

    /// The application has kept this receipt ([`Acks::Manual`]).
    pub async fn ack_receipt(&self, receipt: MessageId) {
        self.take(Taken::Receipt(receipt)).await;
    }

    async fn take(&self, taken: Taken) {
        // A client that has ended cannot acknowledge: the message comes again in the next run.
        let _ = self.commands.send(Command::Take(taken)).await;
    }

    /// What to keep for the next run; it changes at most once a second. The last value stays after the
    /// client has ended, when `changed` returns an error.
    pub fn resume(&self) -> watch::Receiver<Resume> {
        self.resume.clone()
    }

    /// Writes the acks that are due, closes the connection and ends the client. Sends without an
    /// answer end with [`SendError::Closed`]. Returns what to keep for the next run.
    pub async fn close(self) -> Resume {
        let _ = self.commands.send(Command::Close).await;
        self.sends.closed().await;
        let mut resume = self.resume;
        while resume.changed().await.is_ok() {}
        resume.borrow().clone()
    }
}

impl Events {
    /// The next event; `None` after the client has ended. Under [`Acks::OnNext`] this call says that
    /// the application has taken the event before. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.taken().await;
        let event = self.events.recv().await?;
        self.untaken = match (&event, self.acks) {
            (Event::Message(message), Acks::OnNext) => Some(Taken::Message(message.message)),
            (Event::Receipt(receipt), Acks::OnNext) => Some(Taken::Receipt(receipt.receipt)),
            _ => None,
        };
        Some(event)
    }

    /// Under [`Acks::OnNext`]: the application has taken what [`Events::next`] returned last, and may
    /// not ask for more.
    pub async fn taken(&mut self) {
        if self.untaken.is_none() {
            return;
        }
        if let Ok(permit) = self.commands.reserve().await
            && let Some(taken) = self.untaken.take()
        {
            permit.send(Command::Take(taken));
        }
    }
}

impl SendTicket {
    /// The reference under which the message was sent.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }
}

impl Future for SendTicket {
    type Output = Result<Sent, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(SendError::stopped(self.fatal.get()))))
    }
}
