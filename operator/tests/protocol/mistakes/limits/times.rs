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
