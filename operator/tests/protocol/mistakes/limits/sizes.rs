//! How large what a client sends may be, in bytes or in ids.

use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{Mistakes, text_of};
use crate::mistakes::row::Limit;

impl Mistakes<'_> {
    pub(super) async fn frame_size(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)? as usize;
        let mut client = self.world.session(0, "frame-size", "phone").await?;
        let ping = self.request("ping").to_string();
        let padded = |length: usize| Message::text(ping.clone() + &" ".repeat(length - ping.len()));
        client.send_message(padded(most)).await?;
        client.expect("pong").await?;
        client.send_message(padded(most + 1)).await?;
        self.ends(&mut client, limit.close.ok_or("no close code is documented")?).await
    }

    pub(super) async fn utf8(&self, limit: &Limit) -> Result<(), String> {
        let mut client = self.world.session(0, "utf8", "phone").await?;
        let mut bytes = self.request("ping").to_string().into_bytes();
        bytes.extend([b' ', 0xff]);
        let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
        client.send_message(Message::Frame(frame)).await?;
        self.ends(&mut client, limit.close.ok_or("no close code is documented")?).await
    }

    pub(super) async fn token_size(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)?;
        let mut client = self.world.connect(0).await?;
        let mut hello = self.request("hello");
        hello["token"] = text_of(most + 1).into();
        self.beyond(&mut client, limit, &hello, Some("token")).await?;
        // It is looked at, and is none.
        hello["token"] = text_of(most).into();
        client.send(&hello).await?;
        self.refused(&mut client, Some(&hello), "bad_token", None).await?;

        let mut client = self.world.session(0, "token-size", "phone").await?;
        let mut refresh = self.request("refresh");
        refresh["token"] = text_of(most + 1).into();
        self.beyond(&mut client, limit, &refresh, Some("token")).await?;
        refresh["token"] = text_of(most).into();
        client.send(&refresh).await?;
        self.refused(&mut client, Some(&refresh), "bad_token", Some("token")).await
    }

    pub(super) async fn content_body(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)? as usize;
        let mut client = self.world.session(0, "content-body", "phone").await?;
        let with = |reference: &str, body: String| {
            let mut send = self.request("send");
            send["ref"] = reference.into();
            send["content"]["body"] = body.into();
            send
        };
        // Two bytes each, and one.
        let full = "é".repeat(most / 2) + &text_of(limit.number(0)? % 2);
        let beyond = format!("{full}x");
        self.taken(&mut client, &with("empty", String::new())).await?;
        self.taken(&mut client, &with("full", full)).await?;
        self.beyond(&mut client, limit, &with("beyond", beyond), Some("content.body")).await
    }

    pub(super) async fn ids_in_ack(&self, limit: &Limit) -> Result<(), String> {
        let most = limit.number(0)? as usize;
        let mut client = self.world.session(0, "ids-in-ack", "phone").await?;
        let id = self.request("ack")["messages"][0].clone();
        for field in ["messages", "receipts"] {
            let ack = |count: usize| json!({"type": "ack", "id": 5, field: vec![&id; count]});
            self.taken(&mut client, &ack(most)).await?;
            self.beyond(&mut client, limit, &ack(most + 1), Some(field)).await?;
        }
        Ok(())
    }
}
