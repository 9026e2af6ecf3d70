//! Polling: each user asks the message service every second for what is new.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chatcluster_protocol::{client::Message, id::MessageId};
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{Tally, USERS, http::Http};
use crate::{
    server::{Fleet, service_token, user},
    wire,
};

const PERIOD: Duration = Duration::from_secs(1);

/// A page of the message service; the newest come first.
#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
}

/// Users of their own: nothing waits in an inbox for those who poll, as they have no devices.
pub(super) fn receiver(index: usize) -> String {
    user(2 * USERS + index)
}

/// Connects all and lets them poll.
pub(super) async fn start(
    fleet: &Fleet,
    tally: &Arc<Tally>,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let token = service_token()?;
    let connect = async |index| {
        let http = Http::connect(fleet.http, index, &token, tally).await?;
        Ok((index, http))
    };
    let mut clients = JoinSet::new();
    for (index, http) in wire::open_all(0..USERS, connect).await? {
        clients.spawn(poll(index, http, tally.clone()));
    }
    Ok(clients)
}

async fn poll(index: usize, mut http: Http, tally: Arc<Tally>) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let mut after = MessageId::floor(now);
    // Users who poll have not agreed on when: by the golden ratio they are spread evenly, and in another
    // order than that in which messages are sent.
    let phase = PERIOD.mul_f64((index as f64 * 0.618_034).fract());
    let mut ticks = interval_at(Instant::now() + phase, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let user = receiver(index);
    loop {
        ticks.tick().await;
        let body = http.get(&format!("/v1/messages?user={user}&after={after}")).await?;
        let page: Page = serde_json::from_slice(&body)?;
        for message in &page.messages {
            tally.received(message.content.body.as_str())?;
        }
        if let Some(newest) = page.messages.first() {
            after = newest.message;
        }
    }
}
