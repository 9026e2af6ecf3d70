//! What a gateway's frames mean.

use std::time::Duration;

use chatcluster_protocol::{
    client::{Error, ErrorCode, Message, Receipt, RequestId, Sent, ServerFrame},
    id::Reference,
};
use serde::Deserialize;

use super::{
    Answer, Core, EVENTS, Effect, Event,
    link::{ASKED_AT_MOST, Link},
};
use crate::error::{QueryError, SendError};

/// Of an answer, which request it is for.
#[derive(Deserialize)]
struct Answering {
    id: Option<RequestId>,
}

impl Core {
    /// A frame came.
    pub(crate) fn frame(&mut self, now: Duration, frame: ServerFrame) {
        self.heard(now);
        match (frame, &self.link) {
            (ServerFrame::Welcome(welcome), _) => self.welcomed(now, &welcome),
            (ServerFrame::Error(error), _) => self.error(now, error),
            (_, link) if !matches!(link, Link::Live(_)) => {}
            (ServerFrame::CaughtUp, _) => self.tell(Event::CaughtUp),
            (ServerFrame::Message(message), _) => self.message(message),
            (ServerFrame::Receipt(receipt), _) => self.receipt(receipt),
            (ServerFrame::Sent(sent), _) => self.sent(sent),
            // An application that is behind has more important things to take.
            (ServerFrame::Typing(typing), _) if self.events.len() < EVENTS / 2 => {
                self.tell(Event::Typing(typing));
            }
            (ServerFrame::Typing(_), _) => {}
            (ServerFrame::Presence(presences), _) => self.presences(presences),
            (ServerFrame::Privacy(answer), _) => self.privacy_is(&answer),
            (ServerFrame::History(page), _) => {
                if let Some(highest) = page.messages.iter().map(|message| message.message).max() {
                    self.saw(highest);
                }
                self.answered(page.id, Answer::Page(page));
            }
            (ServerFrame::Group(group), _) => self.answered(group.id, Answer::Group(group)),
            (ServerFrame::Receipts(receipts), _) => {
                self.answered(receipts.id, Answer::Receipts(receipts));
            }
            (ServerFrame::Marked(marked), _) => {
                self.marks.answered(marked.id);
            }
            (ServerFrame::Expiring(expiring), _) => self.expiring(now, expiring),
            (ServerFrame::Refreshed(refreshed), _) => self.refreshed(now, &refreshed),
            (ServerFrame::Reconnect(ask), _) => self.asked_to_leave(now, ask.after, ask.reason),
            (ServerFrame::Pong(_) | ServerFrame::Unknown, _) => {}
        }
    }

    /// A frame came that this client cannot read, such as one with a value that only newer clients know. Asked again,
    /// the gateway would say the same, so whoever waits for it is told.
    pub(crate) fn unreadable(&mut self, now: Duration, text: &str) {
        self.heard(now);
        let answer = serde_json::from_str::<Answering>(text);
        let Some(id) = answer.ok().and_then(|answer| answer.id) else { return };
        if let Some(ticket) = self.queries.answered(id) {
            self.effects.push_back(Effect::Told(ticket, Err(QueryError::Odd)));
        }
        self.odd_watch(id);
    }

    fn answered(&mut self, id: RequestId, answer: Answer) {
        if let Some(ticket) = self.queries.answered(id) {
            self.effects.push_back(Effect::Told(ticket, Ok(answer)));
        }
    }

    fn message(&mut self, message: Message) {
        let id = message.message;
        self.saw(id);
        if !self.deaf && self.inbox.messages.arrived(id.identity(), id) {
            self.tell(Event::Message(message));
        }
    }

    fn receipt(&mut self, receipt: Receipt) {
        if !self.deaf && self.inbox.receipts.arrived(receipt.receipt, receipt.receipt) {
            self.tell(Event::Receipt(receipt));
        }
    }

    fn sent(&mut self, sent: Sent) {
        self.saw(sent.message);
        if self.outbox.remove(&sent.reference) {
            self.effects.push_back(Effect::Answered(sent.reference.clone(), Ok(sent)));
        }
    }

    fn error(&mut self, now: Duration, error: Error) {
        let retry_after =
            error.retry_after.map(Duration::from_millis).map(|d| d.min(ASKED_AT_MOST));
        if let Some(reference) = self.failed_send(&error) {
            self.send_failed(now, reference, error, retry_after);
        } else if let (ErrorCode::RateLimited, Some(id)) = (error.code, error.id)
            && self.queries.is_asked(id)
        {
            let wait = self.wait_after(&error, 0, retry_after);
            self.queries.again(id, now + wait);
        } else if let Some(ticket) = error.id.and_then(|id| self.queries.answered(id)) {
            let error = QueryError::Refused(Box::new(error));
            self.effects.push_back(Effect::Told(ticket, Err(error)));
        } else if !self.typing.refused(error.id)
            && !self.failed_mark(now, &error, retry_after)
            && !self.failed_watch(now, &error, retry_after)
            && !self.refused_refresh(now, &error, retry_after)
        {
            self.last_words(error.text, retry_after);
        }
    }

    /// Whether the error answers a mark. One that is refused for good is dropped: the next one of its
    /// conversation stands for it.
    fn failed_mark(&mut self, now: Duration, error: &Error, retry_after: Option<Duration>) -> bool {
        let Some((id, failures)) = error.id.and_then(|id| Some((id, self.marks.failures(id)?)))
        else {
            return false;
        };
        if error.temporary {
            let wait = self.wait_after(error, failures, retry_after);
            self.marks.again(id, now + wait);
        } else {
            self.marks.answered(id);
        }
        true
    }

    /// How long to wait before a request is made again that has failed so often before. A rate limit is no
    /// failure: who says when there is room again need not be asked less and less often.
    pub(super) fn wait_after(
        &mut self,
        error: &Error,
        failures: u32,
        retry_after: Option<Duration>,
    ) -> Duration {
        let failures = if error.code == ErrorCode::RateLimited { 0 } else { failures };
        self.jitter.after(retry_after, self.options.backoff.ceiling(failures))
    }

    /// Which send the error answers, by its reference or by the request.
    fn failed_send(&self, error: &Error) -> Option<Reference> {
        let by_request = error.id.and_then(|id| self.outbox.reference_of(id));
        error.reference.as_ref().or(by_request).cloned()
    }

    fn send_failed(
        &mut self,
        now: Duration,
        reference: Reference,
        error: Error,
        retry_after: Option<Duration>,
    ) {
        let Some(failures) = self.outbox.failures_in_flight(&reference) else { return };
        if error.temporary {
            let wait = self.wait_after(&error, failures, retry_after);
            if error.code == ErrorCode::RateLimited {
                self.outbox.pause(now + wait);
            }
            self.outbox.again(&reference, now + wait);
        } else {
            self.outbox.remove(&reference);
            let error = SendError::Refused(Box::new(error));
            self.effects.push_back(Effect::Answered(reference, Err(error)));
        }
    }
}
