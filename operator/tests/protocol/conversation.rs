//! Playing the documented conversation against a cluster, frame by frame.
//!
//! A `hello` opens a connection, each one on another gateway than the last. What follows is sent on the
//! connection that was heard last, a `read` on the one that was pushed the message, `receipts` on the one that
//! sent it. A frame of a gateway may
//! come on any connection, and nothing else may.

use futures_util::future::select_all;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    DEADLINE,
    bindings::Bindings,
    client::{Came, Client},
    cluster::GATEWAYS,
    document::{By, Frame, at},
    elided,
    matching::matches,
    world::World,
};

/// Plays all of it.
///
/// # Errors
/// Says what came otherwise.
pub(crate) async fn play(world: &World) -> Result<(), String> {
    let mut play = Play { world, bindings: Bindings::default(), speakers: vec![], current: 0 };
    let frames = &world.document.conversation;
    let hellos = frames.iter().filter(|frame| frame.kind() == "hello" && frame.by == By::Client);
    for (number, hello) in hellos.enumerate() {
        play.was_here(hello, number).await.map_err(|error| at(hello.line, error))?;
    }
    for frame in frames {
        let done = match frame.by {
            By::Client => play.say(frame).await,
            By::Gateway => play.hear(frame).await,
        };
        done.map_err(|error| located(frame, error))?;
    }
    play.nothing_more().await
}

/// The error with the frame's line, unless it has one.
fn located(frame: &Frame, error: String) -> String {
    let text = || at(frame.line, format!("{error}\n  documented: {}", frame.said));
    if error.starts_with(crate::document::FILE) { error } else { text() }
}

struct Play<'a> {
    world: &'a World,
    bindings: Bindings,
    speakers: Vec<Speaker>,
    /// Who was heard last.
    current: usize,
}

struct Speaker {
    user: String,
    /// As it was said, with its token.
    hello: Value,
    client: Client,
    /// The ids of the messages that it was pushed.
    pushed: Vec<Value>,
    /// The ids of the messages that it has sent.
    sent: Vec<Value>,
}

impl Play<'_> {
    /// A device that resumes has had a session before: its inbox is there, and its epoch is of that one.
    async fn was_here(&mut self, hello: &Frame, number: usize) -> Result<(), String> {
        let Some(resume) = hello.said.get("resume") else { return Ok(()) };
        let mut earlier = hello.said.clone();
        earlier.as_object_mut().expect("a frame is an object").shift_remove("resume");
        self.give_token(&mut earlier, &self.user_of(hello));
        let mut client = self.world.connect(number % GATEWAYS).await?;
        client.send(&earlier).await?;
        let welcome = client.expect("welcome").await?;
        client.expect("caught_up").await?;
        if let Some(epoch) = resume.get("epoch") {
            self.bindings.bind(epoch, &welcome["epoch"]);
        }
        client.close().await
    }

    /// Whose token a `hello` has, the `welcome` tells.
    fn user_of(&self, hello: &Frame) -> String {
        let frames = self.world.document.conversation.iter();
        let mut after = frames.skip_while(|frame| frame.line <= hello.line);
        let welcome = after.find(|frame| frame.kind() == "welcome");
        welcome.and_then(|welcome| welcome.whole["user"].as_str()).unwrap_or_default().to_owned()
    }

    /// Puts a token where the document shows the beginning of one.
    fn give_token(&self, frame: &mut Value, user: &str) {
        if frame["token"].as_str().is_some_and(elided::is_beginning) {
            frame["token"] = self.world.token(user).into();
        }
    }

    async fn say(&mut self, frame: &Frame) -> Result<(), String> {
        let mut said = self.bindings.fill(&frame.whole);
        if frame.kind() == "hello" {
            let user = self.user_of(frame);
            self.give_token(&mut said, &user);
            let client = self.world.connect(self.speakers.len() % GATEWAYS).await?;
            self.speakers.push(Speaker {
                user,
                hello: said.clone(),
                client,
                pushed: vec![],
                sent: vec![],
            });
            self.current = self.speakers.len() - 1;
        }
        if frame.kind() == "read" {
            let reads = |speaker: &Speaker| speaker.pushed.contains(&said["up_to"]);
            let reader = self.speakers.iter().position(reads);
            self.current = reader.ok_or("nobody was pushed the message that is read")?;
        }
        if frame.kind() == "receipts" {
            let sent = |speaker: &Speaker| speaker.sent.contains(&said["message"]);
            let sender = self.speakers.iter().position(sent);
            self.current = sender.ok_or("nobody has sent the message that is asked about")?;
        }
        let current = self.speakers.get(self.current).ok_or("nobody has said hello yet")?;
        self.give_token(&mut said, &current.user);
        self.world.schemas.client.check(&said)?;
        self.speakers[self.current].client.send(&said).await
    }

    async fn hear(&mut self, frame: &Frame) -> Result<(), String> {
        self.provoke(frame).await?;
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(came) = self.take(frame.kind())? {
                return matches(frame, &came, &mut self.bindings);
            }
            let reads = self.speakers.iter_mut().map(|speaker| Box::pin(speaker.client.read()));
            let Ok((read, ..)) = timeout_at(end, select_all(reads)).await else {
                return Err(self.in_vain());
            };
            read?;
        }
    }

    /// What has to happen for a frame that nobody asks for.
    async fn provoke(&mut self, frame: &Frame) -> Result<(), String> {
        match frame.kind() {
            "reconnect" => {
                let gateway = self.speakers[self.current].client.gateway;
                self.world.cluster.signal(&format!("gateway-{gateway}"), Signal::SIGTERM);
                Ok(())
            }
            "expiring" => self.move_for_a_while(frame).await,
            _ => Ok(()),
        }
    }

    /// Moves the session to the other gateway, with a token of which it is told within seconds that it
    /// expires.
    async fn move_for_a_while(&mut self, expiring: &Frame) -> Result<(), String> {
        let current = &mut self.speakers[self.current];
        let mut hello = current.hello.clone();
        hello["token"] = self.world.cluster.token(&current.user, "6s").into();
        let mut client = self.world.connect((current.client.gateway + 1) % GATEWAYS).await?;
        client.send(&hello).await?;
        let welcome = client.expect("welcome").await?;
        client.expect("caught_up").await?;
        let expires = &expiring.whole["expires"];
        self.bindings.rebind(expires, &welcome["expires"]);
        current.client = client;
        Ok(())
    }

    /// A frame of this type that is next on a connection, the current one first.
    fn take(&mut self, kind: &str) -> Result<Option<Value>, String> {
        let others = (0..self.speakers.len()).filter(|index| *index != self.current);
        for index in std::iter::once(self.current).chain(others.collect::<Vec<_>>()) {
            let came = &mut self.speakers[index].client.came;
            match came.front() {
                Some(Came::Frame(frame)) if frame["type"] == kind => {
                    self.current = index;
                    let Some(Came::Frame(frame)) = came.pop_front() else { unreachable!() };
                    let speaker = &mut self.speakers[index];
                    match kind {
                        "message" => speaker.pushed.push(frame["message"].clone()),
                        "sent" => speaker.sent.push(frame["message"].clone()),
                        _ => {}
                    }
                    return Ok(Some(frame));
                }
                Some(Came::Frame(frame)) if frame["type"] != "error" => {}
                Some(other) => return Err(format!("{other} came instead")),
                None => {}
            }
        }
        Ok(None)
    }

    fn in_vain(&self) -> String {
        let next = self.speakers.iter().filter_map(|speaker| speaker.client.came.front());
        let next: Vec<_> = next.map(ToString::to_string).collect();
        let came = if next.is_empty() { "nothing".into() } else { next.join(" and ") };
        format!(
            "within {DEADLINE:?} this did not come; what came is {came}\n  If something has to happen \
             first, have it happen in `Play::provoke` ({})",
            file!()
        )
    }

    /// Nothing has come that is not documented: a last request is answered next on every connection.
    async fn nothing_more(mut self) -> Result<(), String> {
        let ping = self.world.document.request("ping");
        for Speaker { user, client, .. } in &mut self.speakers {
            client.send(&ping).await?;
            let more =
                |error| format!("after the conversation, on the connection of {user}: {error}");
            client.expect("pong").await.map_err(more)?;
        }
        Ok(())
    }
}
