//! How late, and how far ahead.

use serde_json::json;
use tokio::time::{Duration, Instant};

use super::Mistakes;
use crate::{bindings::now, mistakes::row::Limit};

impl Mistakes<'_> {
    pub(super) async fn hello_in_time(&self, limit: &Limit) -> Result<(), String> {
        let within = Duration::from_secs(limit.number(0)?);
        self.same_close(limit)?;
        let begun = Instant::now();
        let mut client = self.world.connect(1).await?;
        let code = limit.code.as_deref().ok_or("no error is documented")?;
        self.refused(&mut client, None, code, None).await?;
        match begun.elapsed() {
            early if early < within => Err(format!("it came after {early:?}")),
            _ => Ok(()),
        }
    }

    pub(super) async fn highest(&self, limit: &Limit) -> Result<(), String> {
        let (near, far) = around(limit)?;
        let with = |highest: &str| {
            let mut hello = self.world.hello("highest", "phone");
            hello["resume"] = json!({"highest": highest});
            hello
        };
        let mut client = self.world.connect(0).await?;
        self.beyond(&mut client, limit, &with(&far), Some("resume.highest")).await?;
        self.taken(&mut client, &with(&near)).await.map(drop)
    }

    /// `since` has its own time in it, `until` has not.
    pub(super) async fn history_time(&self, limit: &Limit, field: &str) -> Result<(), String> {
        let (least, most) = (limit.number(0)?, limit.number(1)?);
        let mut client = self.world.session(0, &format!("history-{field}"), "phone").await?;
        let sent = self.taken(&mut client, &self.request("send")).await?;
        let at = sent["at"].as_u64().ok_or("`sent` has no time")?;
        let with = |time: u64| {
            let mut history = self.request("history");
            history[field] = time.into();
            history
        };
        for time in [least, at, at + 1, most] {
            let page = self.taken(&mut client, &with(time)).await?;
            let came = page["messages"].as_array().is_some_and(|came| !came.is_empty());
            if came != if field == "since" { at >= time } else { at < time } {
                return Err(format!("a message of {at}, {field} {time}: {page}"));
            }
        }
        self.beyond(&mut client, limit, &with(most + 1), Some(field)).await
    }

    pub(super) async fn seen(&self, limit: &Limit) -> Result<(), String> {
        let (near, far) = around(limit)?;
        let mut client = self.world.session(0, "seen", "phone").await?;
        let mut send = self.request("send");
        send["seen"] = far.into();
        self.beyond(&mut client, limit, &send, Some("seen")).await?;
        send["seen"] = near.into();
        self.taken(&mut client, &send).await.map(drop)
    }
}

/// An id that is not as far ahead as one may be, and one that is further ahead.
fn around(limit: &Limit) -> Result<(String, String), String> {
    /// Seconds between the limit and what is tried: clocks agree, but machines may be slow.
    const NEAR: u64 = 20;
    let seconds = limit.number(0)?;
    let id = |ahead: u64| {
        let at = now() + ahead * 1000;
        format!("{:08x}-{:04x}-7000-8000-000000000000", at >> 16, at & 0xffff)
    };
    Ok((id(seconds - NEAR), id(seconds + NEAR)))
}
