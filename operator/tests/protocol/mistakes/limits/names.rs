//! What names may be made of.

use super::{Mistakes, text_of};
use crate::mistakes::row::Limit;

impl Mistakes<'_> {
    /// Names at the limits, and names beyond them.
    fn names(limit: &Limit) -> Result<(Vec<String>, Vec<String>), String> {
        let (least, most) = (limit.number(0)?, limit.number(1)?);
        let characters: Vec<char> = limit.characters()?.chars().collect();
        let chunks = characters.chunks(most as usize).map(|chunk| chunk.iter().collect());
        let good = chunks.chain([text_of(least), text_of(most)]).collect();
        let others = [' ', '/', '{', '#', 'é'].into_iter().filter(|c| !characters.contains(c));
        let bad = others.map(|c| format!("a{c}b"));
        Ok((good, bad.chain([text_of(least - 1), text_of(most + 1)]).collect()))
    }

    pub(super) async fn user_ids(&self, limit: &Limit) -> Result<(), String> {
        let mut client = self.world.session(0, "user-ids", "phone").await?;
        let with = |user: &str| {
            let (mut send, mut history) = (self.request("send"), self.request("history"));
            send["to"]["user"] = user.into();
            send["ref"] = format!("r-{}", user.len()).into();
            history["user"] = user.into();
            [(send, "to.user"), (history, "user")]
        };
        let (good, bad) = Self::names(limit)?;
        for user in good {
            for (request, _) in with(&user) {
                self.taken(&mut client, &request).await?;
            }
        }
        for user in bad {
            for (request, field) in with(&user) {
                self.beyond(&mut client, limit, &request, Some(field)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn devices(&self, limit: &Limit) -> Result<(), String> {
        let (good, bad) = Self::names(limit)?;
        for device in good {
            self.world.session(1, "device-names", &device).await?;
        }
        let mut client = self.world.connect(1).await?;
        for device in bad {
            let hello = self.world.hello("device-names", &device);
            self.beyond(&mut client, limit, &hello, Some("device")).await?;
        }
        Ok(())
    }

    pub(super) async fn references(&self, limit: &Limit) -> Result<(), String> {
        let mut client = self.world.session(0, "references", "phone").await?;
        let mut send = self.request("send");
        let (good, bad) = Self::names(limit)?;
        for reference in good {
            send["ref"] = reference.into();
            self.taken(&mut client, &send).await?;
        }
        for reference in bad {
            send["ref"] = reference.into();
            client.send(&send).await?;
            // A reference that is none is not said again.
            self.refused(&mut client, Some(&send), "bad_field", Some("ref")).await?;
        }
        Ok(())
    }

    /// Of three types, a page has those that are asked for.
    pub(super) async fn history_content_type(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)?;
        let any = limit.quoted.get(1).ok_or("nothing is documented for a family")?;
        let mut client = self.world.session(1, "history-type", "phone").await?;
        for kind in ["text/plain", "image/png", "image/jpeg"] {
            let mut send = self.request("send");
            send["ref"] = kind.replace('/', "-").into();
            send["content"]["type"] = kind.into();
            self.taken(&mut client, &send).await?;
        }
        let with = |range: &str| {
            let mut history = self.request("history");
            history["content_type"] = range.into();
            history
        };
        let longest = format!("{}/{any}", text_of(most - 2));
        for (range, wanted) in [
            ("image/png", &["image/png"][..]),
            (&format!("image/{any}"), &["image/jpeg", "image/png"]),
            ("video/mp4", &[]),
            (&longest, &[]),
        ] {
            let page = self.taken(&mut client, &with(range)).await?;
            let came = page["messages"].as_array().into_iter().flatten();
            let came: Vec<_> = came.map(|message| &message["content"]["type"]).collect();
            if came != wanted {
                return Err(format!("{range} gave {came:?}"));
            }
        }
        for bad in ["", "image", "image/", "/*", "*/*", "image/p*", "A/b", &format!("x{longest}")] {
            self.beyond(&mut client, limit, &with(bad), Some("content_type")).await?;
        }
        Ok(())
    }

    pub(super) async fn content_type(&self, limit: &Limit) -> Result<(), String> {
        let (most, class) = (limit.number(0)?, limit.characters()?);
        let mut client = self.world.session(0, "content-type", "phone").await?;
        let (all, mut number) = (class.as_str(), 0);
        let mut with = |kind: Option<&str>| {
            let mut send = self.request("send");
            number += 1;
            send["ref"] = format!("type-{number}").into();
            let content = send["content"].as_object_mut().expect("content is an object");
            match kind {
                Some(kind) => _ = content.insert("type".into(), kind.into()),
                None => _ = content.shift_remove("type"),
            }
            send
        };
        let longest = format!("a/{}", text_of(most - 2));
        for good in [format!("{all}/b"), format!("b/{all}"), longest.clone()] {
            self.taken(&mut client, &with(Some(&good))).await?;
        }
        let wrong = ["", "a", "a/", "/a", "a/b/c", "A/b", "a/b; c=d", &format!("{longest}x")];
        for bad in wrong {
            self.beyond(&mut client, limit, &with(Some(bad)), Some("content.type")).await?;
        }
        self.taken(&mut client, &with(None)).await?;
        let page = self.taken(&mut client, &self.request("history")).await?;
        let default = limit.quoted.last().ok_or("no default is documented")?;
        match &page["messages"][0]["content"]["type"] {
            came if came == default.as_str() => Ok(()),
            came => Err(format!("{default} is documented when absent; {came} came")),
        }
    }
}
