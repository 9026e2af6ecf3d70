//! The errors that do not come from a limit or a field.

use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::Mistakes;
use crate::{
    bindings::now,
    client::Came,
    document::{By, FILE, at},
};

/// Provokes them.
pub(crate) fn checks<'a>(
    mistakes: &'a Mistakes<'_>,
) -> Vec<LocalBoxFuture<'a, Result<(), String>>> {
    let checks = [
        ("bad_frame", mistakes.no_frame().boxed_local()),
        ("unknown_type", mistakes.unknown_type().boxed_local()),
        ("hello_expected", mistakes.no_hello().boxed_local()),
        ("hello_repeated", mistakes.second_hello().boxed_local()),
        ("bad_token", mistakes.bad_tokens().boxed_local()),
        ("token_expired", mistakes.expired_tokens().boxed_local()),
        ("bad_token", mistakes.bad_refreshes().boxed_local()),
        ("revoked", mistakes.revoked_tokens().boxed_local()),
        ("forbidden", mistakes.conversation_of_others().boxed_local()),
        ("forbidden", mistakes.group_of_others().boxed_local()),
        ("bad_field", mistakes.low_mark().boxed_local()),
        ("reference_conflict", mistakes.reused_reference().boxed_local()),
    ];
    let replaced = mistakes.replaced_connection().boxed_local();
    let checks = checks.into_iter().map(|(code, check)| mistakes.about(code, check).boxed_local());
    checks.chain([replaced]).collect()
}

impl Mistakes<'_> {
    /// Names the row of the code in what went wrong elsewhere.
    async fn about(
        &self,
        code: &str,
        check: LocalBoxFuture<'_, Result<(), String>>,
    ) -> Result<(), String> {
        let row = self.errors.iter().find(|row| row.code == code);
        let line = row.map_or(0, |row| row.line);
        let located = |error: String| {
            if error.starts_with(FILE) { error } else { at(line, format!("`{code}`: {error}")) }
        };
        check.await.map_err(located)
    }

    async fn no_frame(&self) -> Result<(), String> {
        let ping = self.request("ping");
        let text = ping.to_string();
        let mut untyped = ping.clone();
        untyped.as_object_mut().ok_or("a frame is an object")?.shift_remove("type");
        let wrong = [
            Message::text(&text[..text.len() - 1]),
            Message::text(json!([ping]).to_string()),
            Message::text(untyped.to_string()),
            Message::binary(text.clone()),
        ];
        for wrong in wrong {
            let silent = self.world.connect(0).await?;
            let session = self.world.session(1, "no-frame", "phone").await?;
            for mut client in [silent, session] {
                client.send_message(wrong.clone()).await?;
                self.refused(&mut client, None, "bad_frame", None).await?;
            }
        }
        Ok(())
    }

    async fn unknown_type(&self) -> Result<(), String> {
        let mut client = self.world.session(0, "unknown-type", "phone").await?;
        let mut unknown = self.request("ping");
        unknown["type"] = "dance".into();
        client.send(&unknown).await?;
        self.refused(&mut client, Some(&unknown), "unknown_type", None).await
    }

    async fn no_hello(&self) -> Result<(), String> {
        let frames = self.world.document.conversation.iter();
        let others = frames.filter(|frame| frame.by == By::Client && frame.kind() != "hello");
        for other in others {
            let mut client = self.world.connect(0).await?;
            client.send(&other.whole).await?;
            self.refused(&mut client, Some(&other.whole), "hello_expected", None).await?;
        }
        let mut client = self.world.connect(1).await?;
        let early = [self.world.hello("no-hello", "phone"), self.request("ping")];
        client.send_all(&early).await?;
        self.refused(&mut client, Some(&early[1]), "hello_expected", None).await
    }

    async fn second_hello(&self) -> Result<(), String> {
        let mut client = self.world.session(1, "second-hello", "phone").await?;
        let hello = self.world.hello("second-hello", "phone");
        client.send(&hello).await?;
        self.refused(&mut client, Some(&hello), "hello_repeated", None).await
    }

    async fn bad_tokens(&self) -> Result<(), String> {
        let seconds = now() / 1000;
        let audience = self.world.document.quoted_after("gateway's audience (");
        let right = json!({"sub": "bad-token", "aud": audience, "exp": seconds + 600});
        let signed = |name: &str, value: Value| {
            let mut claims = right.clone();
            claims[name] = value;
            claims
                .as_object_mut()
                .expect("claims are an object")
                .retain(|_, value| !value.is_null());
            self.world.cluster.signed(&claims)
        };
        let good = self.world.token("bad-token");
        let (claims, signature) = good.rsplit_once('.').ok_or("a JWT has dots")?;
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let wrong = [
            ("no JWT", "x.y.z".to_owned()),
            ("forged", format!("{claims}.{other}{}", &signature[1..])),
            ("for another audience", signed("aud", "another".into())),
            ("not valid yet", signed("nbf", (seconds + 300).into())),
            ("without exp", signed("exp", Value::Null)),
            ("with a sub that is no user id", signed("sub", "b ob".into())),
        ];
        let mut hello = self.world.hello("bad-token", "phone");
        for (what, token) in wrong {
            hello["token"] = token.into();
            let mut client = self.world.connect(0).await?;
            client.send(&hello).await?;
            let refused = self.refused(&mut client, Some(&hello), "bad_token", None).await;
            refused.map_err(|error| format!("{error}\n  a token {what}"))?;
        }
        // What was broken above is the only thing wrong.
        hello["token"] = signed("sub", "bad-token".into()).into();
        let mut client = self.world.connect(0).await?;
        self.taken(&mut client, &hello).await.map(drop)
    }

    async fn expired_tokens(&self) -> Result<(), String> {
        let mut hello = self.world.hello("expired", "phone");
        let exp = now() / 1000 - 5;
        let audience = self.world.document.quoted_after("gateway's audience (");
        let claims = json!({"sub": "expired", "aud": audience, "exp": exp});
        hello["token"] = self.world.cluster.signed(&claims).into();
        let mut client = self.world.connect(0).await?;
        client.send(&hello).await?;
        self.refused(&mut client, Some(&hello), "token_expired", None).await?;

        hello["token"] = self.world.cluster.token("expired", "3s").into();
        let mut client = self.world.connect(0).await?;
        client.send(&hello).await?;
        client.expect("welcome").await?;
        // Pushes may announce it.
        loop {
            match client.next().await? {
                Came::Frame(push) if push["type"] != "error" => {}
                last => {
                    client.came.push_front(last);
                    return self.refused(&mut client, None, "token_expired", None).await;
                }
            }
        }
    }

    /// They close nothing: the session goes on with the token that it has.
    async fn bad_refreshes(&self) -> Result<(), String> {
        let mut client = self.world.session(1, "refresher", "phone").await?;
        let audience = self.world.document.quoted_after("gateway's audience (");
        let exp = now() / 1000 - 5;
        let expired = json!({"sub": "refresher", "aud": audience, "exp": exp});
        let wrong = [
            ("bad_token", "x.y.z".to_owned()),
            ("bad_token", self.world.token("another")),
            ("token_expired", self.world.cluster.signed(&expired)),
        ];
        let mut refresh = self.request("refresh");
        for (code, token) in wrong {
            refresh["token"] = token.into();
            client.send(&refresh).await?;
            self.refused(&mut client, Some(&refresh), code, Some("token")).await?;
        }
        refresh["token"] = self.world.token("refresher").into();
        self.taken(&mut client, &refresh).await.map(drop)
    }

    /// A token is issued in whole seconds: of those of this one, none is younger than a revocation.
    async fn revoked_tokens(&self) -> Result<(), String> {
        let (user, cluster) = ("revoked", &self.world.cluster);
        let audience = self.world.document.quoted_after("gateway's audience (");
        let issued = |seconds: u64| {
            let exp = now() / 1000 + 600;
            cluster.signed(&json!({"sub": user, "aud": audience, "exp": exp, "iat": seconds}))
        };
        let without =
            cluster.signed(&json!({"sub": user, "aud": audience, "exp": now() / 1000 + 600}));
        let (old, future) = (issued(now() / 1000 - 60), issued(now() / 1000 + 60));
        let hello = |token: &str, device: &str| {
            let mut hello = self.world.hello(user, device);
            hello["token"] = token.into();
            hello
        };
        let open = async |token: &str, device: &str| {
            let mut client = self.world.connect(0).await?;
            client.send(&hello(token, device)).await?;
            client.expect("welcome").await?;
            client.expect("caught_up").await?;
            Ok::<_, String>(client)
        };
        let mut older = open(&old, "phone").await?;
        let mut unknown = open(&without, "laptop").await?;
        let mut younger = open(&future, "tablet").await?;
        let path = format!("/v1/users/{user}/revocations");
        cluster.backend("POST", &path).await?;
        for client in [&mut older, &mut unknown] {
            self.refused(client, None, "revoked", None).await?;
        }
        for token in [&old, &without] {
            let (hello, mut client) = (hello(token, "phone"), self.world.connect(1).await?);
            client.send(&hello).await?;
            self.refused(&mut client, Some(&hello), "revoked", None).await?;
        }
        let mut refresh = self.request("refresh");
        refresh["token"] = old.into();
        younger.send(&refresh).await?;
        self.refused(&mut younger, Some(&refresh), "revoked", Some("token")).await?;
        // A device that is removed ends, too.
        let now = now() / 1000;
        let mut removed = open(&issued(now + 2), "watch").await?;
        while crate::bindings::now() / 1000 <= now + 2 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        cluster.backend("DELETE", &format!("/v1/users/{user}/devices/watch")).await?;
        self.refused(&mut removed, None, "revoked", None).await?;
        self.alive(&mut younger).await
    }

    async fn conversation_of_others(&self) -> Result<(), String> {
        let mut one = self.world.session(0, "others", "phone").await?;
        let sent = self.taken(&mut one, &self.request("send")).await?;
        let mut history = self.request("history");
        let members = history.as_object_mut().ok_or("a frame is an object")?;
        members.shift_remove("user");
        history["conversation"] = sent["conversation"].clone();
        self.taken(&mut one, &history).await?;
        let mut read = self.request("read");
        read["conversation"] = sent["conversation"].clone();
        read["up_to"] = sent["message"].clone();
        self.taken(&mut one, &read).await?;
        let mut eve = self.world.session(1, "eve", "phone").await?;
        for request in [&history, &read] {
            eve.send(request).await?;
            self.refused(&mut eve, Some(request), "forbidden", None).await?;
        }
        Ok(())
    }

    /// Writing to it, changing it and looking at it, without taking part; and changing it as a member.
    async fn group_of_others(&self) -> Result<(), String> {
        let mut create = self.group_change();
        create["to"]["group"] = "0f0f0f0f-1e1e-4d2d-8c3c-000000000000".into();
        create["content"]["body"] = r#"{"create":{"name":"x","members":["member"]}}"#.into();
        let mut owner = self.world.session(0, "owner", "phone").await?;
        let created = self.taken(&mut owner, &create).await?;
        let mut said = create.clone();
        said["content"] = json!({"body": "hi"});
        let mut add = create.clone();
        add["content"]["body"] = r#"{"add":["eve"]}"#.into();
        let mut look = self.request("group");
        look["group"] = create["to"]["group"].clone();
        let mut receipts = self.request("receipts");
        receipts["message"] = created["message"].clone();
        self.taken(&mut owner, &receipts).await?;
        let mut eve = self.world.session(1, "eve-of-groups", "phone").await?;
        for request in [&said, &add, &create, &look, &receipts] {
            eve.send(request).await?;
            self.refused(&mut eve, Some(request), "forbidden", None).await?;
        }
        let mut member = self.world.session(0, "member", "phone").await?;
        add["ref"] = "member-adds".into();
        for request in [&add, &receipts] {
            member.send(request).await?;
            self.refused(&mut member, Some(request), "forbidden", None).await?;
        }
        Ok(())
    }

    /// A mark below all that was said.
    async fn low_mark(&self) -> Result<(), String> {
        let mut client = self.world.session(0, "low-mark", "phone").await?;
        let sent = self.taken(&mut client, &self.request("send")).await?;
        let mut read = self.request("read");
        read["conversation"] = sent["conversation"].clone();
        // The documented example is of long ago.
        client.send(&read).await?;
        self.refused(&mut client, Some(&read), "bad_field", Some("up_to")).await
    }

    async fn reused_reference(&self) -> Result<(), String> {
        let mut client = self.world.session(0, "reused", "phone").await?;
        let send = self.request("send");
        let sent = self.taken(&mut client, &send).await?;
        let again = self.taken(&mut client, &send).await?;
        if again["message"] != sent["message"] {
            return Err(format!("repeating a reference made a second message: {sent}, {again}"));
        }
        for (field, value) in [("content", json!({"body": "?"})), ("to", json!({"user": "carol"}))]
        {
            let mut other = send.clone();
            other[field] = value;
            client.send(&other).await?;
            self.refused(&mut client, Some(&other), "reference_conflict", None).await?;
        }
        Ok(())
    }

    async fn replaced_connection(&self) -> Result<(), String> {
        for gateway in [0, 1] {
            let mut older = self.world.session(0, "replaced", "phone").await?;
            let mut newer = self.world.session(gateway, "replaced", "phone").await?;
            self.replaced(&mut older, &mut newer).await?;
        }
        Ok(())
    }
}
