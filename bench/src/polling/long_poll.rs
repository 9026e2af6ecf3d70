//! Long polling: each user has a request open, which is answered when something comes.

use std::{
    mem,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use chatcluster_protocol::{client::Message, id::MessageId};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{GAP, LASTING, MESSAGES, Send, Tally, USERS, http::Http, mailboxes::HELD};
use crate::{
    server::{Server, service_token, user},
    wire,
};

/// The conversation that the messages say they belong to.
const CONVERSATION: &str = "884a4521-52d3-8f04-8cc0-51df8f708aff";

/// An answer of the mailboxes.
#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
    next: u64,
}

/// Connects all, each with its first request.
pub(super) async fn start(
    server: &Server,
    tally: &Arc<Tally>,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    // Nobody verifies it here, but it is a part of such a request.
    let token = service_token()?;
    let connect = async |index| {
        let http = Http::connect(server.port, index, &token, tally).await?;
        Ok((index, http))
    };
    let mut clients = JoinSet::new();
    for (index, http) in wire::open_all(0..USERS, connect).await? {
        clients.spawn(receive(index, http, tally.clone()));
    }
    Ok(clients)
}

async fn receive(index: usize, mut http: Http, tally: Arc<Tally>) -> anyhow::Result<()> {
    // As if they had begun at any time.
    let mut wait = HELD * index as u32 / USERS as u32;
    let mut after = 0;
    loop {
        let wait_ms = mem::replace(&mut wait, HELD).as_millis();
        let body =
            http.get(&format!("/messages?user={index}&after={after}&wait={wait_ms}")).await?;
        let page: Page = serde_json::from_slice(&body)?;
        for message in &page.messages {
            tally.received(message.content.body.as_str())?;
        }
        after = page.next;
    }
}

/// Who fills the mailboxes.
pub(super) struct Feeder(Http);

impl Feeder {
    pub(super) async fn connect(server: &Server) -> anyhow::Result<Self> {
        // What it sends is no receiver's.
        let uncounted = Tally::new()?;
        Ok(Self(Http::connect(server.port, 0, &service_token()?, &uncounted).await?))
    }
}

impl Send for Feeder {
    async fn send(mut self, tally: &Tally) -> anyhow::Result<()> {
        let start = Instant::now();
        for index in 0..MESSAGES {
            let due = start + GAP * index as u32;
            sleep_until(due).await;
            let receiver = index % USERS;
            let message = message(receiver, &tally.body(due))?;
            self.0.post(&format!("/messages?user={receiver}"), &message).await?;
        }
        sleep_until(start + LASTING).await;
        Ok(())
    }
}

/// Looks like one of the message service.
fn message(receiver: usize, body: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let message = json!({
        "message": MessageId::floor(now),
        "conversation": CONVERSATION,
        "from": user(USERS),
        "device": "bench",
        "to": { "user": user(receiver) },
        "at": now,
        "content": { "type": "text/plain", "body": body },
    });
    Ok(message.to_string())
}
