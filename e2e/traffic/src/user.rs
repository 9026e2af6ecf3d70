//! One user: sends to its partner, and tells the book what it is shown.

use std::{convert::Infallible, time::Duration};

use chatcluster_client::{
    Client, Event, Events, SendError,
    protocol::{
        client::{Content, Message, Recipient},
        id::UserId,
    },
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::book::Book;

/// Sends of one user without an answer. At so many it waits, so that a cluster that answers nobody
/// costs memory for no more. The client's own outbox holds 1024.
const UNANSWERED: usize = 1000;

/// When a user sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) first: Instant,
    pub(crate) every: Duration,
    pub(crate) count: u32,
}

/// Sends at its pace until `stop`; `sending` is held until then. Returns when all has an answer.
pub(crate) async fn send(
    (user, partner): (usize, UserId),
    client: Client,
    pace: Pace,
    (stop, sending): (CancellationToken, mpsc::Sender<Infallible>),
    book: Book,
) {
    let to = Recipient::User(partner);
    let mut ticks = interval_at(pace.first, pace.every);
    // What was missed is not made up for: the rate has a bound.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answers = FuturesUnordered::new();
    let note = |(number, answer): (u32, Result<_, SendError>)| {
        book.with(|oracle, now| match answer {
            Ok(_) => oracle.answered(user, number, now),
            Err(SendError::Closed | SendError::Fatal(_) | SendError::Expired) => {}
            Err(error) => oracle.refused(error.to_string()),
        });
    };
    let mut left = pace.count;
    while left > 0 {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(answer) = answers.next() => note(answer),
            _ = ticks.tick(), if answers.len() < UNANSWERED => {
                left -= 1;
                let number = book.with(|oracle, now| oracle.sent(user, now));
                #[allow(clippy::expect_used)] // two numbers are within every limit
                let content = Content::text(format!("{user} {number}")).expect("a short text");
                let ticket = client.send(to.clone(), content).await;
                answers.push(async move { (number, ticket.await) });
            }
        }
    }
    drop(sending);
    while let Some(answer) = answers.next().await {
        note(answer);
    }
}

/// Takes what happens to a user until its client ends; `partner` is the number of the one it hears.
pub(crate) async fn receive(user: usize, partner: usize, mut events: Events, book: Book) {
    while let Some(event) = events.next().await {
        book.with(|oracle, _| match event {
            Event::Connected(_) => oracle.connected(user),
            Event::CaughtUp => oracle.caught_up(user),
            Event::Message(message) => match number(&message, partner) {
                Some(number) => oracle.shown(partner, number, message.message),
                None => oracle.misdelivered(),
            },
            Event::Disconnected { cause, .. } => oracle.disconnected(cause.to_string()),
            Event::Fatal(fatal) => oracle.stopped(user, fatal.to_string()),
            Event::Receipt(_) | Event::Typing(_) | Event::Presence(_) | Event::Expiring { .. } => {}
        });
    }
}

/// The number of a message, if it is one of this sender.
fn number(message: &Message, sender: usize) -> Option<u32> {
    let (user, number) = message.content.body.as_str().split_once(' ')?;
    (user.parse() == Ok(sender)).then(|| number.parse().ok()).flatten()
}
