//! How many there may be: messages on a page, requests on their way, devices.

use serde_json::Value;
use tokio::time::Instant;

use super::Mistakes;
use crate::{
    client::{Came, Client},
    mistakes::row::Limit,
};

impl Mistakes<'_> {
    pub(super) async fn history_limit(&self, limit: &Limit) -> Result<(), String> {
        let (least, most, default) = (limit.number(0)?, limit.number(1)?, limit.number(2)?);
        let mut client = self.world.session(0, "history-limit", "phone").await?;
        for number in 0..=default {
            let mut send = self.request("send");
            send["ref"] = format!("history-{number}").into();
            client.send(&send).await?;
        }
        for _ in 0..=default {
            client.expect("sent").await?;
        }
        let with = |count: Option<u64>| {
            let mut history = self.request("history");
            let members = history.as_object_mut().expect("a frame is an object");
            match count {
                Some(count) => _ = members.insert("limit".into(), count.into()),
                None => _ = members.shift_remove("limit"),
            }
            history
        };
        let all = default + 1;
        for (count, messages) in
            [(Some(least), least), (Some(most), all.min(most)), (None, default)]
        {
            let page = self.taken(&mut client, &with(count)).await?;
            let came = page["messages"].as_array().map_or(0, Vec::len) as u64;
            if came != messages || page.get("next").is_some() != (messages < all) {
                return Err(format!(
                    "{count:?} of {all} messages gave {came}, next {}",
                    page["next"]
                ));
            }
        }
        for count in [least - 1, most + 1] {
            self.beyond(&mut client, limit, &with(Some(count)), Some("limit")).await?;
        }
        Ok(())
    }

    /// As many requests as may be without an answer, and one more, which is not taken.
    async fn in_flight(
        &self,
        user: &str,
        limit: &Limit,
        request: impl Fn(u64) -> Value,
    ) -> Result<(), String> {
        let most = limit.number(0)?;
        let mut client = self.world.session(1, user, "phone").await?;
        let requests: Vec<_> = (0..most).map(&request).collect();
        let one_more = request(most);
        let refused = async {
            client.send_all(&requests).await?;
            self.beyond(&mut client, limit, &one_more, None).await
        };
        self.paused(refused).await?;
        let answer = match one_more["type"].as_str() {
            Some("send") => "sent",
            Some("read") => "marked",
            of_the_same_name => of_the_same_name.unwrap_or_default(),
        };
        for _ in 0..most {
            client.expect(answer).await?;
        }
        // It was temporary.
        self.taken(&mut client, &one_more).await.map(drop)
    }

    pub(super) async fn sends_in_flight(&self, limit: &Limit) -> Result<(), String> {
        let request = |number: u64| {
            let mut send = self.request("send");
            send["id"] = (100 + number).into();
            send["ref"] = format!("flying-{number}").into();
            send
        };
        self.in_flight("sends", limit, request).await
    }

    pub(super) async fn reads_in_flight(&self, limit: &Limit) -> Result<(), String> {
        let mut writer = self.world.session(0, "reads", "tablet").await?;
        let sent = self.taken(&mut writer, &self.request("send")).await?;
        let request = |number: u64| {
            let mut read = self.request("read");
            read["id"] = (100 + number).into();
            read["conversation"] = sent["conversation"].clone();
            read["up_to"] = sent["message"].clone();
            read
        };
        self.in_flight("reads", limit, request).await
    }

    pub(super) async fn histories_in_flight(&self, limit: &Limit) -> Result<(), String> {
        let request = |number: u64| {
            let mut history = self.request("history");
            history["id"] = (100 + number).into();
            history
        };
        self.in_flight("histories", limit, request).await
    }

    /// Across gateways. What comes after the last is a message, so that nothing is waited for in vain.
    pub(super) async fn typing_to_one(&self, limit: &Limit) -> Result<(), String> {
        let (every, changes) = (limit.number(0)?, limit.number(1)?);
        let mut reader = self.world.session(0, "typed-to", "phone").await?;
        let mut typist = self.world.session(1, "typist", "phone").await?;
        let typing = self.typing("typed-to");
        let mut stopped = typing.clone();
        stopped["active"] = false.into();
        let began = Instant::now();
        typist.send(&typing).await?;
        self.shown(&mut reader, "typist", 6_000).await?;
        let same = std::iter::repeat_n(&typing, 50);
        let others = [&stopped, &typing].into_iter().cycle().take(20);
        let all: Vec<_> = same.chain(others).cloned().collect();
        typist.send_all(&all).await?;
        let mut send = self.request("send");
        send["to"]["user"] = "typed-to".into();
        self.taken(&mut typist, &send).await?;
        let mut count = 1;
        loop {
            match reader.next().await? {
                Came::Frame(frame) if frame["type"] == "message" => break,
                Came::Frame(frame) if frame["type"] == "typing" => count += 1,
                other => return Err(format!("{other} came")),
            }
        }
        let most = changes * (1 + began.elapsed().as_secs() / every);
        let right = count > 1 && count <= most;
        right.then_some(()).ok_or_else(|| format!("{count} came, and {most} may"))
    }

    pub(super) async fn typing_to_many(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)?;
        let name = |n: u64| format!("one-of-many-{n}");
        let mut typist = self.world.session(0, "to-many", "phone").await?;
        let mut readers = Vec::new();
        for n in 0..=most {
            readers.push(self.world.session(n as usize % 2, &name(n), "phone").await?);
        }
        let began = Instant::now();
        for (reader, n) in readers.iter_mut().zip(0..) {
            typist.send(&self.typing(&name(n))).await?;
            if n < most {
                self.shown(reader, "to-many", 6_000).await?;
            } else if began.elapsed().as_millis() < 6_000 {
                self.alive(&mut typist).await?;
                self.alive(reader).await?;
            }
        }
        Ok(())
    }

    /// Each is told of, as of one who does not exist; one more is not taken, and those before stay watched.
    pub(super) async fn watched_users(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)?;
        let mut client = self.world.session(0, "watches-many", "phone").await?;
        let request = |count: u64| {
            let mut request = self.request("presence");
            request["users"] = (0..count).map(|n| format!("nobody-{n}")).collect();
            request
        };
        client.send(&request(most)).await?;
        let answer = client.expect("presence").await?;
        let users = answer["users"].as_array().ok_or("no users came")?;
        let unknown = users.iter().filter(|user| user["online"] == false);
        if unknown.count() as u64 != most {
            return Err(format!("{answer} came"));
        }
        self.beyond(&mut client, limit, &request(most + 1), Some("users")).await
    }

    pub(super) async fn privacy_in_flight(&self, limit: &Limit) -> Result<(), String> {
        let request = |number: u64| {
            let mut privacy = self.request("privacy");
            privacy["id"] = (100 + number).into();
            privacy
        };
        self.in_flight("privacies", limit, request).await
    }

    fn typing(&self, to: &str) -> Value {
        let mut typing = self.request("typing");
        typing["to"]["user"] = to.into();
        typing
    }

    async fn shown(&self, reader: &mut Client, from: &str, for_long: u64) -> Result<(), String> {
        let typing = reader.expect("typing").await?;
        let right = typing["from"] == from && typing["expires_in"] == for_long;
        right.then_some(()).ok_or_else(|| format!("{typing} came, not {for_long} ms of {from}"))
    }

    pub(super) async fn devices_of_a_user(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)?;
        self.same_close(limit)?;
        for number in 0..most {
            self.world.session(0, "many-devices", &format!("device-{number}")).await?;
        }
        let mut client = self.world.connect(0).await?;
        let hello = self.world.hello("many-devices", "one-more");
        self.beyond(&mut client, limit, &hello, None).await?;
        // One that the user has may still come.
        self.world.session(0, "many-devices", "device-0").await.map(drop)
    }
}
