//! `chat` without a command: a conversation in a plain, scrolling terminal.

mod command;
mod input;
mod presence;
mod ticks;

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use chatcluster_client::{
    Event, HistoryQuery, PrivacyError, QueryError, SendError,
    protocol::{
        client::{Content, HistoryPage, IsTyping, Message, PresenceTo, Receipt, Recipient, Sent},
        id::{Reference, UserId},
    },
};
use command::{Command, HELP};
use futures_util::{StreamExt, stream::FuturesUnordered};
use input::{Input, Screen};
use presence::Sight;
use ticks::{News, Ticks};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    args::TargetArgs,
    connection::Connection,
    failure::Failure,
    state::Use,
    target::Target,
    text::{self, Clock, Paint},
};

/// A message that has no answer by then is shown as being sent.
const SOON: Duration = Duration::from_millis(500);

/// At the end of the input, how long messages on their way may still take.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

pub(crate) async fn run(
    mut args: TargetArgs,
    to: Option<UserId>,
    clock: Clock,
) -> Result<(), Failure> {
    let mut input = Input::open()?;
    if args.user.is_none() && args.url.is_empty() && args.token_file.is_none() {
        args.user = Some(input.ask_name("who are you? ", "--user NAME")?);
    }
    let device = args.device.clone();
    let target = Target::resolve(&args)?;
    let to = to.map_or_else(|| input.ask_name("who do you talk to? ", "--to NAME"), Ok)?;
    let user = target.user.clone();
    let connection = Connection::open(target, device, Use::Take)?;
    let (commands, screen, _sane) = input.start(&to)?;
    let mut talk = Talk {
        user,
        to,
        connection,
        screen,
        ticks: Ticks::default(),
        typist: None,
        sight: Sight::default(),
        waiting: FuturesUnordered::new(),
        clock,
        paint: Paint::detect(),
    };
    let result = talk.run(commands).await;
    let Talk { connection, screen, .. } = talk;
    connection.close().await;
    screen.finish();
    result
}

struct Talk {
    user: UserId,
    to: UserId,
    connection: Connection,
    screen: Screen,
    ticks: Ticks,
    /// Who is shown as typing, and how long.
    typist: Option<(UserId, Instant)>,
    /// What was shown of the other one's being there.
    sight: Sight,
    waiting: FuturesUnordered<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    clock: Clock,
    paint: Paint,
}

/// What was waited for.
enum Answer {
    Sent(Reference, Result<Sent, SendError>),
    History(Result<HistoryPage, QueryError>),
    Privacy(Result<PresenceTo, PrivacyError>),
}

impl Talk {
    async fn run(&mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), Failure> {
        self.show(self.paint.dim("type a line to send it; /help shows what else there is")).await?;
        self.watch().await;
        let mut soon = interval(SOON);
        soon.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None => break,
                    Some(Command::Quit) => return Ok(()),
                    Some(command) => self.command(command).await?,
                },
                Some(event) = self.connection.events.next() => self.event(event).await?,
                Some(answer) = self.waiting.next() => self.answer(answer).await?,
                _ = soon.tick() => self.show_slow().await?,
            }
        }
        self.last_answers().await
    }

    async fn command(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Nothing | Command::Quit => Ok(()),
            Command::Say(said) => self.say(said).await,
            Command::To(to) => {
                self.to = to;
                self.watch().await;
                Ok(())
            }
            Command::History(limit) => {
                let client = self.connection.client.clone();
                let mut query = HistoryQuery::with(self.to.clone());
                query.limit = Some(limit);
                let history = async move { Answer::History(client.history(query).await) };
                self.waiting.push(Box::pin(history));
                Ok(())
            }
            Command::Privacy(to) => {
                let client = self.connection.client.clone();
                let privacy = async move { Answer::Privacy(client.privacy(to).await) };
                self.waiting.push(Box::pin(privacy));
                Ok(())
            }
            Command::Help => self.show(HELP.into()).await,
            Command::Wrong(why) => self.show(self.paint.bad(&why)).await,
        }
    }

    async fn say(&mut self, said: String) -> Result<(), Failure> {
        let content = match Content::text(said.clone()) {
            Ok(content) => content,
            Err(error) => return self.show(self.paint.bad(&format!("a message {error}"))).await,
        };
        let ticket = self.connection.client.send(Recipient::User(self.to.clone()), content).await;
        let reference = ticket.reference().clone();
        self.ticks.sending(reference.clone(), text::snippet(&said, 48));
        self.waiting.push(Box::pin(async move { Answer::Sent(reference, ticket.await) }));
        Ok(())
    }

    async fn answer(&mut self, answer: Answer) -> Result<(), Failure> {
        match answer {
            Answer::Sent(reference, Ok(sent)) => {
                let Some(stored) = self.ticks.sent(&reference, &sent) else { return Ok(()) };
                let at = self.paint.dim(&self.clock.time(sent.at));
                let tick =
                    if stored.delivered { self.paint.good(" ✓✓") } else { "  ✓".into() };
                self.show(format!("{tick} {at} {}", stored.snippet)).await
            }
            Answer::Sent(reference, Err(error)) => {
                let snippet = self.ticks.failed(&reference).unwrap_or_default();
                self.show(self.paint.bad(&format!("  ✗ {snippet}: {error}"))).await
            }
            Answer::History(Ok(page)) if page.messages.is_empty() => {
                self.show(self.paint.dim("nothing was said yet")).await
            }
            Answer::History(Ok(page)) => {
                if let Some(newest) = page.messages.first() {
                    self.has_read(newest).await;
                }
                for message in page.messages.iter().rev() {
                    self.show(self.message(&self.clock.day_and_time(message.at), message)).await?;
                }
                Ok(())
            }
            Answer::Privacy(Ok(to)) => self.show(self.paint.dim(presence::privacy(to))).await,
            Answer::Privacy(Err(error)) => self.show(self.paint.bad(&error.to_string())).await,
            Answer::History(Err(error)) => self.show(self.paint.bad(&error.to_string())).await,
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Message(message) => {
                if self.typist.as_ref().is_some_and(|(typist, _)| *typist == message.from) {
                    self.typist = None;
                }
                self.show(self.message(&self.clock.time(message.at), &message)).await?;
                if message.from != self.user {
                    self.has_read(&message).await;
                }
                Ok(())
            }
            Event::Receipt(receipt) => self.receipt(&receipt).await,
            Event::Typing(typing) => self.typing(typing).await,
            Event::Presence(presence) => match self.sight.shows(&presence, text::now()) {
                Some(text) => self.show(self.paint.dim(&text)).await,
                None => Ok(()),
            },
            Event::Connected(session) => {
                let text = format!("-- connected to {} as {}", session.gateway, session.user);
                self.show(self.paint.good(&text)).await
            }
            Event::Disconnected { cause, retry_in } => {
                let text = format!("-- {cause}; trying again in {:.1} s", retry_in.as_secs_f32());
                self.show(self.paint.bad(&text)).await?;
                Failure::of_cause(&cause).map_or(Ok(()), Err)
            }
            Event::Expiring { expires } => {
                let text = format!("-- {}", text::expiring(self.clock, expires));
                self.show(self.paint.bad(&text)).await
            }
            Event::CaughtUp => Ok(()),
            Event::Fatal(fatal) => Err(fatal.into()),
        }
    }

    /// Of one user, which is within what may be watched.
    async fn watch(&mut self) {
        self.sight = Sight::default();
        let _ = self.connection.client.watch([self.to.clone()]).await;
    }

    /// A line that has scrolled away cannot be taken back, so it is shown where the typing begins.
    async fn typing(&mut self, typing: IsTyping) -> Result<(), Failure> {
        let IsTyping { from, expires_in, .. } = typing;
        let now = Instant::now();
        let known = self.typist.as_ref().is_some_and(|(who, until)| *who == from && now < *until);
        let text = format!("-- {from} is typing…");
        self.typist = Some((from, now + Duration::from_millis(expires_in)));
        if known || expires_in == 0 { Ok(()) } else { self.show(self.paint.dim(&text)).await }
    }

    /// Of this user's own: what another device of theirs has read is on this screen, too.
    async fn receipt(&mut self, receipt: &Receipt) -> Result<(), Failure> {
        if receipt.user == self.user {
            return Ok(());
        }
        let at = self.paint.dim(&self.clock.time(receipt.at));
        let ticks = self.paint.good("✓✓");
        match self.ticks.receipt(receipt) {
            News::Delivered(snippets) => {
                for snippet in snippets {
                    self.show(format!(" {ticks} {at} {snippet}")).await?;
                }
                Ok(())
            }
            News::Read(snippet) => {
                self.show(format!(" {ticks} {at} {} has read: {snippet}", receipt.user)).await
            }
            News::None => Ok(()),
        }
    }

    /// It is on the screen.
    async fn has_read(&self, message: &Message) {
        self.connection.client.read(message.conversation, message.message).await;
    }

    fn message(&self, at: &str, message: &Message) -> String {
        let speaker = text::speaker(message, &self.user, self.paint);
        format!("{} {speaker}: {}", self.paint.dim(at), text::body(message))
    }

    async fn show_slow(&mut self) -> Result<(), Failure> {
        for snippet in self.ticks.slow() {
            self.show(self.paint.dim(&format!("  · {snippet}"))).await?;
        }
        Ok(())
    }

    /// The input has ended, as that of a script does: what was typed is still to be sent.
    async fn last_answers(&mut self) -> Result<(), Failure> {
        let answers = async {
            while !self.waiting.is_empty() {
                tokio::select! {
                    Some(answer) = self.waiting.next() => self.answer(answer).await?,
                    Some(event) = self.connection.events.next() => self.event(event).await?,
                }
            }
            Ok(())
        };
        timeout(LAST_ANSWERS, answers)
            .await
            .unwrap_or_else(|_| Err(Failure::Late("not everything was answered in time".into())))
    }

    async fn show(&self, text: String) -> Result<(), Failure> {
        self.screen.line(&text).await
    }
}
