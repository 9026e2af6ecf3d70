//! Devices that never give up: they come back over the other gateway whenever they are thrown out.
//!
//! A device remembers what a real one would keep on its disk, and forgets with each connection what was
//! on its way.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{client::Client, world::World};

/// Sends on their way at a time, and failed ones beside which new ones go on: enough that a crash finds
/// some in every state, and together less than a gateway takes in.
const WINDOW: usize = 16;

/// From a failed send to its repetition. A program is up again sooner, so that later sends would
/// overtake it if the gateway let them.
const AGAIN: Duration = Duration::from_millis(500);

/// Between two attempts, so that a program that is down is not drowned in them.
const PAUSE: Duration = Duration::from_millis(50);

/// The identity of a message: its low 62 bits, which all copies of one send share.
pub(crate) fn identity(message: &str) -> &str {
    &message[19..]
}

/// Messages by id and body.
pub(crate) type Conversation = Vec<(String, String)>;

fn text<'a>(frame: &'a Value, field: &str) -> &'a str {
    frame[field].as_str().unwrap_or_else(|| panic!("no {field} in {frame}"))
}

/// What happened to all devices together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicUsize,
    pub(crate) sends: AtomicUsize,
    pub(crate) sent: AtomicUsize,
    pub(crate) crashes: AtomicUsize,
    pub(crate) repeated: AtomicUsize,
}

/// A device of a user.
pub(crate) struct Device<'a> {
    world: &'a World,
    counts: &'a Counts,
    gateways: [SocketAddr; 2],
    pub(crate) user: &'static str,
    pub(crate) name: &'static str,
    attempts: usize,
    highest: Option<String>,
    epoch: Option<u64>,
    /// What it shows: by identity, the id and the body.
    kept: BTreeMap<String, (String, String)>,
}

impl<'a> Device<'a> {
    pub(crate) fn new(
        world: &'a World,
        counts: &'a Counts,
        gateways: [SocketAddr; 2],
        user: &'static str,
        name: &'static str,
    ) -> Self {
        let (highest, epoch, kept) = (None, None, BTreeMap::new());
        Self { world, counts, gateways, user, name, attempts: 0, highest, epoch, kept }
    }

    /// A session on one gateway or the other, welcomed.
    pub(crate) async fn connect(&mut self) -> Client {
        loop {
            self.attempts += 1;
            let at = self.gateways[self.attempts % 2];
            if let Some(client) = self.try_connect(at).await {
                return client;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_connect(&mut self, at: SocketAddr) -> Option<Client> {
        let mut client = Client::try_connect(at).await.ok()?;
        let hello = json!({
            "type": "hello", "id": 0, "token": self.world.token(self.user), "device": self.name,
            "resume": {"highest": self.highest, "epoch": self.epoch},
        });
        client.try_text(&hello.to_string()).await.ok()?;
        loop {
            let frame = client.next_or_close().await.ok()?;
            if frame["type"] == "welcome" {
                self.epoch = frame["epoch"].as_u64();
                self.counts.connections.fetch_add(1, Relaxed);
                return Some(client);
            }
        }
    }

    fn saw(&mut self, id: &str) {
        if self.highest.as_deref().is_none_or(|highest| highest < id) {
            self.highest = Some(id.to_owned());
        }
    }

    /// Shows a message, once.
    fn keep(&mut self, message: &Value) {
        let (id, body) = (text(message, "message"), text(&message["content"], "body"));
        self.saw(id);
        let new = (id.to_owned(), body.to_owned());
        if let Some(before) = self.kept.insert(identity(id).to_owned(), new.clone()) {
            assert_eq!(before, new, "one identity, two messages");
            self.counts.repeated.fetch_add(1, Relaxed);
        }
    }

    /// What it shows of a sender, by id.
    pub(crate) fn shown(&self, sender: &str) -> Conversation {
        let prefix = format!("{sender} ");
        let of_it = self.kept.values().filter(|(_, body)| body.starts_with(&prefix));
        let mut shown: Conversation = of_it.cloned().collect();
        shown.sort_unstable();
        shown
    }

    /// Reads until `stop`. After each of so many messages it crashes, and has kept nothing of the last.
    pub(crate) async fn read(mut self, crashes: &[usize], stop: &CancellationToken) -> Self {
        for crash in crashes.iter().cycle() {
            let mut client = self.connect().await;
            let reading = self.read_some(&mut client, *crash);
            if stop.run_until_cancelled(reading).await.is_none() {
                return self;
            }
        }
        self
    }

    async fn read_some(&mut self, client: &mut Client, crash: usize) {
        let mut pushed = BTreeSet::new();
        while let Ok(frame) = client.next_or_close().await {
            if frame["type"] != "message" {
                continue;
            }
            let new = pushed.insert(identity(text(&frame, "message")).to_owned());
            assert!(new, "pushed twice on one connection: {frame}");
            if pushed.len() == crash {
                self.counts.crashes.fetch_add(1, Relaxed);
                return;
            }
            self.keep(&frame);
            if client.try_ack(&frame).await.is_err() {
                return;
            }
        }
    }

    /// Reads what still waits, session after session, until a whole inbox is empty.
    pub(crate) async fn read_the_rest(&mut self) {
        loop {
            let mut client = self.connect().await;
            let mut waited = 0;
            while let Ok(frame) = client.next_or_close().await {
                match text(&frame, "type") {
                    "message" => {
                        waited += 1;
                        self.keep(&frame);
                        let _ = client.try_ack(&frame).await;
                    }
                    "caught_up" if waited == 0 => return,
                    "caught_up" => break,
                    _ => {}
                }
            }
            // The acknowledgements are on their way.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A device that writes to several users in turn: numbered messages, each until it is answered.
pub(crate) struct Sender<'a> {
    pub(crate) device: Device<'a>,
    to: &'static [&'static str],
    /// The ids that `sent` named, by number.
    pub(crate) sent: BTreeMap<usize, String>,
    next: usize,
    /// On its way.
    flying: BTreeSet<usize>,
    /// Answered with an error; all of them are sent again at this time, while later ones go on.
    failed: BTreeSet<usize>,
    again: Instant,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(device: Device<'a>, to: &'static [&'static str]) -> Self {
        let (sent, flying, failed) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { device, to, sent, next: 0, flying, failed, again: Instant::now() }
    }

    pub(crate) fn recipient(&self, number: usize) -> &'static str {
        self.to[number % self.to.len()]
    }

    pub(crate) fn body(&self, number: usize) -> String {
        format!("{} {number}", self.device.user)
    }

    /// Sends until `stop`, and then until everything is answered.
    pub(crate) async fn send(mut self, stop: &CancellationToken) -> Self {
        loop {
            let mut client = self.device.connect().await;
            // Nobody answers on the new connection what was sent on the old one.
            self.failed.append(&mut self.flying);
            self.again = Instant::now();
            while self.send_some(&mut client, stop).await.is_some() {
                if stop.is_cancelled() && self.flying.is_empty() && self.failed.is_empty() {
                    return self;
                }
            }
        }
    }

    /// Sends what may go, and takes one answer. `None` when the connection has ended.
    async fn send_some(&mut self, client: &mut Client, stop: &CancellationToken) -> Option<()> {
        if self.again <= Instant::now() {
            while let Some(number) = self.failed.pop_first() {
                self.send_one(client, number).await?;
            }
        }
        while self.flying.len() < WINDOW && self.failed.len() < WINDOW && !stop.is_cancelled() {
            self.next += 1;
            self.send_one(client, self.next - 1).await?;
        }
        let answer = match self.failed.is_empty() {
            true => client.next_or_close().await,
            false => match timeout_at(self.again, client.next_or_close()).await {
                Ok(answer) => answer,
                Err(_) => return Some(()),
            },
        };
        let frame = answer.ok()?;
        let number = || frame["id"].as_u64().unwrap() as usize;
        match text(&frame, "type") {
            "sent" => self.answered(number(), text(&frame, "message")),
            "error" => {
                assert_eq!(frame["temporary"], true, "{frame}");
                if self.failed.is_empty() {
                    self.again = Instant::now() + AGAIN;
                }
                self.flying.remove(&number());
                self.failed.insert(number());
            }
            "receipt" => client.try_ack_receipt(&frame).await.ok()?,
            _ => {}
        }
        Some(())
    }

    async fn send_one(&mut self, client: &mut Client, number: usize) -> Option<()> {
        let frame = json!({
            "type": "send", "id": number, "ref": number.to_string(),
            "to": {"user": self.recipient(number)}, "content": {"body": self.body(number)},
        });
        self.flying.insert(number);
        self.device.counts.sends.fetch_add(1, Relaxed);
        client.try_text(&frame.to_string()).await.ok()
    }

    fn answered(&mut self, number: usize, id: &str) {
        self.device.saw(id);
        self.device.counts.sent.fetch_add(1, Relaxed);
        self.flying.remove(&number);
        let before = self.sent.insert(number, id.to_owned());
        assert_eq!(before, None, "{number} was answered twice");
    }

    /// What was acknowledged of a conversation, as id and body in the order of sending. The ids rise.
    pub(crate) fn conversation(&self, with: &str) -> Conversation {
        let of_it = self.sent.iter().filter(|(number, _)| self.recipient(**number) == with);
        let sent: Conversation =
            of_it.map(|(number, id)| (id.clone(), self.body(*number))).collect();
        let wrong = sent.windows(2).find(|pair| pair[0].0 >= pair[1].0);
        assert_eq!(wrong, None, "ids do not follow the order of sending");
        sent
    }

    /// What the archive has of a conversation, oldest first.
    pub(crate) async fn history(&mut self, with: &str) -> Conversation {
        let mut client = self.device.connect().await;
        let (mut archived, mut before) = (Conversation::new(), Value::Null);
        loop {
            let request = json!({"type": "history", "user": with, "limit": 100, "before": before});
            client.request(request).await;
            let page = client.until("history").await;
            for message in page["messages"].as_array().unwrap() {
                archived.push((
                    text(message, "message").into(),
                    text(&message["content"], "body").into(),
                ));
            }
            before = page["next"].clone();
            if before.is_null() {
                archived.reverse();
                return archived;
            }
        }
    }
}
