//! The shipped gateway and message service under the same load.

use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    Idle, LONGEST, idle,
    room::{MEMBERS, Room, body},
};
use crate::{
    server::{Fleet, STARTED, hello, user},
    wire::{WebSocket, text_frame},
};

/// What one frame acknowledges.
const ACKS: usize = 256;

/// The upgrade alone: what waits for its `hello`.
pub(super) async fn sockets() -> anyhow::Result<Idle> {
    let fleet = started().await?;
    let port = fleet.gateway.port;
    let connect = async |index| WebSocket::open(port, index, None).await;
    timeout(LONGEST, idle(&[&fleet.gateway], connect)).await.context("connections take too long")?
}

/// Sessions past `caught_up`. Each device is new: the message service stores it.
pub(super) async fn sessions() -> anyhow::Result<Idle> {
    let fleet = started().await?;
    let connect = async |index| log_in(&fleet, index).await;
    let idle = timeout(LONGEST, idle(&[&fleet.gateway, &fleet.messages], connect)).await;
    idle.context("sessions take too long")?
}

/// A group; returns CPU seconds of gateway and message service for each delivery.
pub(super) async fn room() -> anyhow::Result<Vec<f64>> {
    let fleet = started().await?;
    let gathered = timeout(LONGEST, gather(&fleet)).await;
    let (group, mut members) = gathered.context("the group takes too long")??;
    let owner = members.swap_remove(0);
    let room = Arc::new(Room::new(members.len()));
    let mut tasks = JoinSet::new();
    for member in members {
        tasks.spawn(receive(member, room.clone()));
    }
    tasks.spawn(send(owner, group, room.clone()));
    let servers = [&fleet.gateway, &fleet.messages];
    tokio::select! {
        cost = room.cost(&servers) => cost,
        Some(ended) = tasks.join_next() => match ended? {
            Ok(()) => bail!("a member has ended"),
            Err(error) => Err(error.context("a member has failed")),
        },
    }
}

async fn started() -> anyhow::Result<Fleet> {
    let fleet = Fleet::start(false).await?;
    sleep(STARTED).await;
    Ok(fleet)
}

async fn log_in(fleet: &Fleet, index: usize) -> anyhow::Result<WebSocket> {
    let mut socket = WebSocket::open(fleet.gateway.port, index, None).await?;
    socket.write(&text_frame(&hello(index)?)).await?;
    while !socket.text().await?.contains(r#""type":"caught_up""#) {}
    Ok(socket)
}

/// All members are connected before the group is made, so that each is told of it. The first is the owner.
async fn gather(fleet: &Fleet) -> anyhow::Result<(Uuid, Vec<WebSocket>)> {
    let mut members = Vec::new();
    for index in 0..MEMBERS {
        members.push(log_in(fleet, index).await?);
    }
    let group = Uuid::new_v4();
    let others: Vec<_> = (1..MEMBERS).map(user).collect();
    let create = json!({ "create": { "name": "room", "members": others } }).to_string();
    let content = json!({ "type": "application/vnd.chatcluster.group+json", "body": create });
    let send = json!({
        "type": "send", "id": 1, "ref": "create", "to": { "group": group }, "content": content,
    });
    members[0].write(&text_frame(&send.to_string())).await?;
    for (index, member) in members.iter_mut().enumerate() {
        // The owner is answered, the others get the message.
        let frame: Value = serde_json::from_str(&member.text().await?)?;
        let id = frame["message"].as_str().with_context(|| format!("no group: {frame}"))?;
        if index > 0 {
            member.write(&text_frame(&ack(&[id.into()]))).await?;
        }
    }
    Ok((group, members))
}

fn ack(messages: &[Value]) -> String {
    json!({ "type": "ack", "messages": messages }).to_string()
}

/// Takes what has come so far, then acknowledges it.
async fn receive(mut socket: WebSocket, room: Arc<Room>) -> anyhow::Result<()> {
    let mut messages = Vec::new();
    loop {
        let mut next = Some(socket.text().await?);
        while let Some(text) = next {
            let mut frame: Value = serde_json::from_str(&text)?;
            match frame["type"].as_str() {
                Some("message") => messages.push(frame["message"].take()),
                _ => bail!("something else than a message: {frame}"),
            }
            let more = messages.len() < ACKS;
            next = if more { socket.text().now_or_never().transpose()? } else { None };
        }
        room.received(messages.len() as u64);
        socket.write(&text_frame(&ack(&messages))).await?;
        messages.clear();
    }
}

async fn send(mut socket: WebSocket, group: Uuid, room: Arc<Room>) -> anyhow::Result<()> {
    let mut sent = 0;
    loop {
        tokio::select! {
            count = room.may_send(sent) => {
                let frames: Vec<_> = (sent..sent + count).flat_map(|id| message(id, group)).collect();
                socket.write(&frames).await?;
                sent += count;
            }
            answer = socket.text() => {
                let answer = answer?;
                anyhow::ensure!(answer.contains(r#""type":"sent""#), "not sent: {answer}");
            }
        }
    }
}

fn message(id: u64, group: Uuid) -> Vec<u8> {
    let content = json!({ "type": "text/plain", "body": body() });
    let send = json!({
        "type": "send", "id": id, "ref": id.to_string(), "to": { "group": group },
        "content": content,
    });
    text_frame(&send.to_string())
}
