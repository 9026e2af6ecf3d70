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
use tokio_util::sync::CancellationToken;

use crate::{client::Client, world::World};

/// Sends without an answer at a time: enough that a crash finds some in every state.
const WINDOW: usize = 16;

/// Between two attempts, so that a program that is down is not drowned in them.
const PAUSE: Duration = Duration::from_millis(50);

/// The identity of a message: its low 62 bits, which all copies of one send share.
fn identity(message: &str) -> &str {
    &message[19..]
}

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
    pub(crate) kept: BTreeMap<String, (String, String)>,
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
    pub(crate) to: &'static [&'static str],
    /// The ids that `sent` named, by number.
    pub(crate) sent: BTreeMap<usize, String>,
    unanswered: BTreeSet<usize>,
    next: usize,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(device: Device<'a>, to: &'static [&'static str]) -> Self {
        Self { device, to, sent: BTreeMap::new(), unanswered: BTreeSet::new(), next: 0 }
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
            while self.batch(&mut client, stop).await.is_ok() {
                if stop.is_cancelled() && self.unanswered.is_empty() {
                    return self;
                }
            }
        }
    }

    /// Sends what has no answer, in its order, and waits for the answers.
    async fn batch(&mut self, client: &mut Client, stop: &CancellationToken) -> Result<(), ()> {
        while self.unanswered.len() < WINDOW && !stop.is_cancelled() {
            self.unanswered.insert(self.next);
            self.next += 1;
        }
        for number in self.unanswered.clone() {
            let frame = json!({
                "type": "send", "id": number, "ref": number.to_string(),
                "to": {"user": self.recipient(number)}, "content": {"body": self.body(number)},
            });
            self.device.counts.sends.fetch_add(1, Relaxed);
            client.try_text(&frame.to_string()).await.map_err(|_| ())?;
        }
        let (mut waiting, mut failed) = (self.unanswered.len(), false);
        while waiting > 0 {
            let frame = client.next_or_close().await.map_err(|_| ())?;
            match text(&frame, "type") {
                "sent" => self.answered(&frame),
                "error" => {
                    assert_eq!(frame["temporary"], true, "{frame}");
                    failed = true;
                }
                "receipt" => {
                    client.try_ack_receipt(&frame).await.map_err(|_| ())?;
                    continue;
                }
                _ => continue,
            }
            waiting -= 1;
        }
        if failed {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    fn answered(&mut self, frame: &Value) {
        let (number, id) = (frame["id"].as_u64().unwrap() as usize, text(frame, "message"));
        self.device.saw(id);
        self.device.counts.sent.fetch_add(1, Relaxed);
        self.unanswered.remove(&number);
        let before = self.sent.insert(number, id.to_owned());
        assert_eq!(before, None, "{number} was answered twice");
    }
}
