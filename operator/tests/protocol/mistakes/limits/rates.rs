//! How often a user may ask.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::Mistakes;
use crate::{
    client::{Came, Client},
    mistakes::row::Limit,
};

/// Fewer than may be without an answer.
const AT_ONCE: u64 = 50;

impl Mistakes<'_> {
    pub(super) async fn sends_per_second(&self, limit: &Limit) -> Result<(), String> {
        let request = |number: u64| {
            let mut send = self.request("send");
            send["id"] = (100 + number).into();
            send["ref"] = format!("often-{number}").into();
            send
        };
        self.too_often("sends-often", limit, AT_ONCE, request).await
    }

    pub(super) async fn requests_per_second(&self, limit: &Limit) -> Result<(), String> {
        let request = |number: u64| {
            let kind = ["history", "refresh"][number as usize % 2];
            let mut request = self.request(kind);
            request["id"] = (100 + number).into();
            if kind == "refresh" {
                request["token"] = "no token".into();
            }
            request
        };
        self.too_often("asks-often", limit, 1, request).await
    }

    /// Asks until it is refused, which must not be too early or too late; waits as it is told to, and is
    /// taken again, on another connection, too.
    async fn too_often(
        &self,
        user: &str,
        limit: &Limit,
        at_once: u64,
        request: impl Fn(u64) -> Value,
    ) -> Result<(), String> {
        let (burst, per_second) = (limit.number(0)?, limit.number(1)?);
        let code = limit.code.as_deref().ok_or("no error is documented")?;
        let mut client = self.world.session(0, user, "phone").await?;
        let began = Instant::now();
        let mut taken = 0;
        let (refused, error) = loop {
            let batch: Vec<_> = (taken..taken + at_once).map(&request).collect();
            client.send_all(&batch).await?;
            let mut refused = None;
            for request in &batch {
                let answer = answer(&mut client).await?;
                if answer["code"] == code {
                    refused.get_or_insert((request.clone(), answer));
                } else if refused.is_none() {
                    taken += 1;
                }
            }
            let most = burst + per_second * (1 + began.elapsed().as_secs());
            match refused {
                Some(refused) if taken >= burst => break refused,
                Some(_) => return Err(format!("the {taken}th is refused already")),
                None if taken > most => return Err(format!("{taken} are taken, {most} may be")),
                None => {}
            }
        };
        let wait = error["retry_after"].as_u64().filter(|wait| (1..=1_000).contains(wait));
        let wait = wait.ok_or_else(|| format!("when to come again is not told: {error}"))?;
        let mut other = self.world.session(0, user, "tablet").await?;
        sleep(Duration::from_millis(wait)).await;
        for client in [&mut client, &mut other] {
            client.send(&refused).await?;
            let answer = answer(client).await?;
            if answer["code"] == code {
                return Err(format!("it is refused after {wait} ms, too"));
            }
        }
        self.provoked.borrow_mut().insert(code.to_owned());
        Ok(())
    }
}

async fn answer(client: &mut Client) -> Result<Value, String> {
    loop {
        match client.next().await? {
            // What this device itself has sent comes to the user's others.
            Came::Frame(frame) if frame["type"] == "message" => {}
            Came::Frame(frame) => return Ok(frame),
            other => return Err(format!("{other} came")),
        }
    }
}
