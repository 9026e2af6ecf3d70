//! `chat demo`: a short conversation between two users on two gateways of a local cluster, told as a
//! timeline. It fails when any step does not happen, so it also tells whether a cluster works.

use std::time::{Duration, Instant};

use chatcluster_client::{
    Client, Config, Event, Events, HistoryQuery, TokenSource, Trust,
    protocol::{
        client::{Content, Message, Receipt, ReceiptKind, Recipient},
        id::{ConversationId, DeviceId, MessageId, UserId},
    },
};
use tokio::time::timeout;

use crate::{
    args::TargetArgs,
    failure::Failure,
    local::{Gateway, Local},
    text,
};

/// Each step takes milliseconds; on a busy machine a first connection may take a second.
const STEP: Duration = Duration::from_secs(15);
const TOKEN: Duration = Duration::from_secs(3600);

pub(crate) async fn run(args: TargetArgs) -> Result<(), Failure> {
    let local = Local::open(&args.data)?;
    let [one, other] = &local.gateways[..] else {
        let count = local.gateways.len();
        return Err(Failure::Usage(format!(
            "the demo speaks over two gateways, and this cluster has {count}: set spec.gateways.replicas to 2"
        )));
    };
    let stage = Stage { local: &local, start: Instant::now() };

    let mut alice = stage.connect("alice", one).await?;
    let mut bob = stage.connect("bob", other).await?;
    stage.say(&mut alice, &mut bob, "Lunch at noon?").await?;
    stage.say(&mut bob, &mut alice, "Yes. The usual place?").await?;

    stage.tell("bob", "goes offline");
    bob.leave().await;
    let sent = stage.send(&alice, "bob", "Make it half past, I am late.").await?;

    let mut bob = stage.connect("bob", one).await?;
    stage.receive(&mut bob, &sent).await?;
    stage.delivered(&mut alice, &sent).await?;
    stage.review(&bob, &sent).await?;
    alice.leave().await;
    bob.leave().await;
    Ok(())
}

/// Where the demo plays, and since when.
struct Stage<'a> {
    local: &'a Local,
    start: Instant,
}

/// Somebody who is connected.
struct Party {
    name: &'static str,
    gateway: String,
    client: Client,
    events: Events,
}

/// A message that the service has stored.
struct Stored {
    text: &'static str,
    message: MessageId,
    conversation: ConversationId,
    at: Instant,
}

impl Stage<'_> {
    async fn connect(&self, name: &'static str, gateway: &Gateway) -> Result<Party, Failure> {
        let user: UserId = name.parse().map_err(failed)?;
        let mint = self.local.mint();
        let token = TokenSource::from_fn(move || std::future::ready(mint.token(&user, TOKEN)));
        let device: DeviceId = "demo".parse().map_err(failed)?;
        let mut config = Config::new(vec![gateway.url.clone()], device, token);
        config.trust = Trust::CaFile(self.local.ca());

        let begun = Instant::now();
        let (client, events) = Client::connect(config)?;
        let mut party = Party { name, gateway: gateway.name.clone(), client, events };
        let what = format!("{name} has a session on {}", gateway.name);
        party.wait(&what, |event| matches!(event, Event::Connected(_)).then_some(())).await?;
        self.tell(name, &format!("connects to {}, {}", gateway.name, since(begun)));
        Ok(party)
    }

    /// One says something, the other receives and reads it, and the first sees both.
    async fn say(
        &self,
        from: &mut Party,
        to: &mut Party,
        text: &'static str,
    ) -> Result<(), Failure> {
        let sent = self.send(from, to.name, text).await?;
        self.receive(to, &sent).await?;
        self.delivered(from, &sent).await?;
        let read = Instant::now();
        to.client.read(sent.conversation, sent.message).await;
        self.receipt(from, &sent, ReceiptKind::Read).await?;
        self.tell(from.name, &format!("✓✓ read by {}, {}", to.name, since(read)));
        Ok(())
    }

    async fn send(&self, from: &Party, to: &str, text: &'static str) -> Result<Stored, Failure> {
        self.tell(from.name, &format!("→ {to}: {text}"));
        let recipient = Recipient::User(to.parse().map_err(failed)?);
        let at = Instant::now();
        let ticket = from.client.send(recipient, Content::text(text).map_err(failed)?).await;
        let sent = timeout(STEP, ticket).await.map_err(|_| late("the message is stored"))??;
        self.tell(from.name, &format!("✓  stored, {}", since(at)));
        Ok(Stored { text, message: sent.message, conversation: sent.conversation, at })
    }

    async fn receive(&self, to: &mut Party, sent: &Stored) -> Result<(), Failure> {
        let what = format!("{} receives {:?}", to.name, sent.text);
        let message = to
            .wait(&what, |event| match event {
                Event::Message(message) if message.message == sent.message => Some(message),
                _ => None,
            })
            .await?;
        check(&message, sent)?;
        let line =
            format!("← {}: {} on {}, {}", message.from, sent.text, to.gateway, since(sent.at));
        self.tell(to.name, &line);
        to.events.taken().await;
        Ok(())
    }

    async fn delivered(&self, from: &mut Party, sent: &Stored) -> Result<(), Failure> {
        self.receipt(from, sent, ReceiptKind::Delivered).await?;
        self.tell(from.name, &format!("✓✓ delivered, {}", since(sent.at)));
        Ok(())
    }

    async fn receipt(
        &self,
        from: &mut Party,
        sent: &Stored,
        wanted: ReceiptKind,
    ) -> Result<(), Failure> {
        let what = format!("{} gets the receipt of {:?}: {wanted:?}", from.name, sent.text);
        from.wait(&what, |event| match event {
            Event::Receipt(Receipt { kind, up_to, .. })
                if kind == wanted && up_to >= sent.message =>
            {
                Some(())
            }
            _ => None,
        })
        .await
    }

    /// What was said is also what is kept: the last of it, once.
    async fn review(&self, who: &Party, last: &Stored) -> Result<(), Failure> {
        let mut query = HistoryQuery::with("alice".parse().map_err(failed)?);
        query.limit = Some(3);
        let page = timeout(STEP, who.client.history(query)).await;
        let page = page.map_err(|_| late("the history is read"))??;
        let copies = page.messages.iter().filter(|message| message.message == last.message).count();
        if copies != 1 || page.messages.len() != 3 {
            let count = page.messages.len();
            return Err(Failure::Failed(format!(
                "the history has {count} messages and {copies} of {:?}; it should be 3 and 1",
                last.text
            )));
        }
        self.tell(who.name, "reads the last 3 messages of the conversation from its history");
        Ok(())
    }

    fn tell(&self, who: &str, what: &str) {
        let elapsed = self.start.elapsed().as_secs_f64();
        // A closed pipe is no reason to break off: the exit code still says how it went.
        let _ = text::line(&format!("{elapsed:8.3} s  {who:<6} {what}"));
    }
}

impl Party {
    /// Takes events until one is what is waited for.
    async fn wait<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, Failure> {
        let search = async {
            while let Some(event) = self.events.next().await {
                match event {
                    Event::Fatal(fatal) => return Err(fatal.into()),
                    Event::Disconnected { cause, .. } => {
                        return Err(Failure::Failed(format!(
                            "{} lost the connection: {cause}",
                            self.name
                        )));
                    }
                    event => {
                        if let Some(found) = wanted(event) {
                            return Ok(found);
                        }
                    }
                }
            }
            Err(Failure::Failed(format!("{} was stopped", self.name)))
        };
        timeout(STEP, search).await.map_err(|_| late(what))?
    }

    async fn leave(self) {
        drop(self.events);
        self.client.close().await;
    }
}

fn check(message: &Message, sent: &Stored) -> Result<(), Failure> {
    let body = message.content.body.as_str();
    if body == sent.text {
        return Ok(());
    }
    Err(Failure::Failed(format!("{:?} arrived as {body:?}", sent.text)))
}

fn since(start: Instant) -> String {
    format!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3)
}

fn late(what: &str) -> Failure {
    Failure::Late(format!("waited {} s in vain until {what}", STEP.as_secs()))
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
