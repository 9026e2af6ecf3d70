//! The server of long polling: a mailbox in memory for each user, and nothing else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Notify, time::timeout};

use super::USERS;

/// A request is answered after this at the latest, with nothing if nothing came.
pub(super) const HELD: Duration = Duration::from_secs(30);
/// Messages that wait for a user; more are refused.
const WAITING: usize = 1000;

/// Serves until it is killed.
pub(crate) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let mailboxes: Arc<[Mailbox]> = (0..USERS).map(|_| Mailbox::default()).collect();
    let routes = Router::new().route("/messages", get(take).post(put)).with_state(mailboxes);
    let listener = listener.tap_io(|stream| {
        // Without it an answer is only slower.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, routes).await?)
}

/// What waits for a user.
#[derive(Default)]
struct Mailbox {
    messages: Mutex<Messages>,
    came: Notify,
}

#[derive(Default)]
struct Messages {
    /// The number of the last one.
    last: u64,
    /// As JSON, in the order of their numbers.
    waiting: VecDeque<(u64, String)>,
}

impl Mailbox {
    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has a higher number, once there is something. What the client has seen is forgotten.
    async fn next(&self, after: u64) -> String {
        loop {
            let came = self.came.notified();
            if let Some(page) = self.messages().page(after) {
                return page;
            }
            came.await;
        }
    }
}

impl Messages {
    /// Says whether there was room.
    fn put(&mut self, message: String) -> bool {
        let room = self.waiting.len() < WAITING;
        if room {
            self.last += 1;
            self.waiting.push_back((self.last, message));
        }
        room
    }

    fn page(&mut self, after: u64) -> Option<String> {
        while self.waiting.pop_front_if(|(number, _)| *number <= after).is_some() {}
        let (next, _) = self.waiting.back()?;
        let messages: Vec<&str> =
            self.waiting.iter().map(|(_, message)| message.as_str()).collect();
        Some(page(&messages.join(","), *next))
    }
}

fn page(messages: &str, next: u64) -> String {
    format!(r#"{{"messages":[{messages}],"next":{next}}}"#)
}

#[derive(Deserialize)]
struct Take {
    user: usize,
    after: u64,
    /// Milliseconds.
    wait: u64,
}

async fn take(State(mailboxes): State<Arc<[Mailbox]>>, Query(ask): Query<Take>) -> Response {
    let Some(mailbox) = mailboxes.get(ask.user) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let came = timeout(HELD.min(Duration::from_millis(ask.wait)), mailbox.next(ask.after)).await;
    let page = came.unwrap_or_else(|_| page("", ask.after));
    ([(CONTENT_TYPE, "application/json")], page).into_response()
}

#[derive(Deserialize)]
struct Put {
    user: usize,
}

async fn put(
    State(mailboxes): State<Arc<[Mailbox]>>,
    Query(to): Query<Put>,
    message: String,
) -> StatusCode {
    let Some(mailbox) = mailboxes.get(to.user) else { return StatusCode::NOT_FOUND };
    if !mailbox.messages().put(message) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    mailbox.came.notify_one();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_stays_until_it_was_seen() {
        let mailbox = Mailbox::default();
        assert!(timeout(Duration::from_millis(10), mailbox.next(0)).await.is_err());
        assert!(mailbox.messages().put("1".into()) && mailbox.messages().put("2".into()));
        assert_eq!(mailbox.next(0).await, r#"{"messages":[1,2],"next":2}"#);
        assert_eq!(mailbox.next(1).await, r#"{"messages":[2],"next":2}"#);
        assert!(mailbox.messages().page(2).is_none());
    }

    #[test]
    fn a_full_mailbox_refuses() {
        let mut messages = Messages::default();
        let taken = (0..2 * WAITING).filter(|_| messages.put(String::new())).count();
        assert_eq!(taken, WAITING);
    }
}
