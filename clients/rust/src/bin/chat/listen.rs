//! `chat listen`: prints what arrives. A message is acknowledged after it was written out.

use std::io::{self, ErrorKind};

use chatcluster_client::{
    Event, Fatal,
    protocol::{
        client::{Expiring, Presences, ServerFrame},
        id::UserId,
    },
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::{ListenArgs, TargetArgs},
    connection::Connection,
    failure::Failure,
    state::Use,
    target::Target,
    text::{self, Clock, Paint},
};

pub(crate) async fn run(target: TargetArgs, args: ListenArgs, clock: Clock) -> Result<(), Failure> {
    let device = target.device.clone();
    let target = Target::resolve(&target)?;
    let user = target.user.clone();
    let mut connection = Connection::open(target, device, Use::Take)?;
    let result = listen(&mut connection, &user, &args, clock).await;
    connection.close().await;
    result
}

async fn listen(
    connection: &mut Connection,
    user: &UserId,
    args: &ListenArgs,
    clock: Clock,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("signals"))?;
    let paint = Paint::detect();
    let mut left = args.count;
    while left != Some(0) {
        let event = tokio::select! {
            event = connection.events.next() => event,
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        };
        let Some(event) = event else { return Ok(()) };
        if matches!(event, Event::Message(_)) {
            left = left.map(|left| left - 1);
        }
        let failure = failure(&event);
        let shown = if args.json { json(event) } else { words(&event, user, clock, paint) };
        match shown.as_deref().map_or(Ok(()), text::line) {
            Ok(()) => {}
            // Whoever read has enough, as `head` does; this event stays unacknowledged.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(output(error)),
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    connection.events.taken().await;
    Ok(())
}

fn output(error: io::Error) -> Failure {
    Failure::io("standard output")(error)
}

fn failure(event: &Event) -> Option<Failure> {
    match event {
        Event::Fatal(fatal) => Some(Fatal::clone(fatal).into()),
        Event::Disconnected { cause, .. } => Failure::of_cause(cause),
        _ => None,
    }
}

/// The protocol's own frames where there are some.
fn json(event: Event) -> Option<String> {
    Some(match event {
        Event::Message(message) => ServerFrame::Message(message).encode(),
        Event::Receipt(receipt) => ServerFrame::Receipt(receipt).encode(),
        Event::Typing(typing) => ServerFrame::Typing(typing).encode(),
        Event::Presence(presence) => {
            ServerFrame::Presence(Presences { id: None, users: vec![presence] }).encode()
        }
        Event::CaughtUp => ServerFrame::CaughtUp.encode(),
        Event::Connected(session) => json!({
            "type": "connected",
            "user": session.user,
            "device": session.device,
            "session": session.session,
            "gateway": session.gateway,
            "expires": session.expires,
        })
        .to_string(),
        Event::Disconnected { cause, retry_in } => json!({
            "type": "disconnected",
            "text": cause.to_string(),
            "retry_in": u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
        })
        .to_string(),
        Event::Expiring { expires } => ServerFrame::Expiring(Expiring { expires }).encode(),
        Event::Fatal(_) => return None,
    })
}

fn words(event: &Event, user: &UserId, clock: Clock, paint: Paint) -> Option<String> {
    match event {
        Event::Message(message) => {
            let at = paint.dim(&clock.day_and_time(message.at));
            Some(format!("{at} {}: {}", text::speaker(message, user, paint), text::body(message)))
        }
        Event::Connected(session) => {
            text::complain(&format!("connected to {} as {}", session.gateway, session.user));
            None
        }
        Event::Disconnected { cause, .. } => {
            text::complain(&format!("{cause}; trying again"));
            None
        }
        Event::Expiring { expires } => {
            text::complain(&text::expiring(clock, *expires));
            None
        }
        Event::Receipt(_)
        | Event::Typing(_)
        | Event::Presence(_)
        | Event::CaughtUp
        | Event::Fatal(_) => None,
    }
}
