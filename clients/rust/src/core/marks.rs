//! How far the user has read: a mark per conversation, sent until it has an answer. A newer mark takes the
//! place of an older one, so there are never more than the conversations that the application has.

use std::{collections::BTreeMap, time::Duration};

use chatcluster_protocol::{
    client::{Read, RequestId},
    id::{ConversationId, MessageId},
};

/// Marks without an answer.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<ConversationId, Mark>);

#[derive(Debug)]
struct Mark {
    up_to: MessageId,
    /// Temporary failures so far.
    failures: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// To be written, not before this time.
    Waiting { not_before: Duration },
    /// Written on the connection that is open now, under this request.
    InFlight { id: RequestId, since: Duration, up_to: MessageId },
}

impl Mark {
    fn request(&self) -> Option<RequestId> {
        match self.state {
            State::InFlight { id, .. } => Some(id),
            State::Waiting { .. } => None,
        }
    }
}

impl Marks {
    /// The user has read so far; a lower mark than one that waits changes nothing.
    pub(super) fn set(&mut self, conversation: ConversationId, up_to: MessageId) {
        let state = State::Waiting { not_before: Duration::ZERO };
        let mark = self.0.entry(conversation).or_insert(Mark { up_to, failures: 0, state });
        mark.up_to = mark.up_to.max(up_to);
    }

    /// The next one to write, under this request id.
    pub(super) fn next(&mut self, now: Duration, id: RequestId, at_once: usize) -> Option<Read> {
        if self.0.values().filter(|mark| mark.request().is_some()).count() >= at_once.max(1) {
            return None;
        }
        let due =
            |mark: &Mark| matches!(mark.state, State::Waiting { not_before } if not_before <= now);
        let (conversation, mark) = self.0.iter_mut().find(|(_, mark)| due(mark))?;
        let (conversation, up_to) = (*conversation, mark.up_to);
        mark.state = State::InFlight { id, since: now, up_to };
        Some(Read { id, conversation, up_to })
    }

    /// The request has its answer: the mark is stored, or refused for good. One that was raised meanwhile
    /// is sent again.
    pub(super) fn answered(&mut self, request: RequestId) -> bool {
        let Some(conversation) = self.of(request) else { return false };
        if let Some(mark) = self.0.get_mut(&conversation)
            && matches!(mark.state, State::InFlight { up_to, .. } if up_to < mark.up_to)
        {
            mark.state = State::Waiting { not_before: Duration::ZERO };
        } else {
            self.0.remove(&conversation);
        }
        true
    }

    /// Temporary failures so far of the mark that this request was for.
    pub(super) fn failures(&self, request: RequestId) -> Option<u32> {
        self.0.get(&self.of(request)?).map(|mark| mark.failures)
    }

    /// The request failed and may succeed later: again, not before this time.
    pub(super) fn again(&mut self, request: RequestId, not_before: Duration) {
        if let Some(mark) = self.of(request).and_then(|of| self.0.get_mut(&of)) {
            mark.failures += 1;
            mark.state = State::Waiting { not_before };
        }
    }

    /// The connection ended: what has no answer goes again.
    pub(super) fn disconnected(&mut self) {
        for mark in self.0.values_mut().filter(|mark| mark.request().is_some()) {
            mark.state = State::Waiting { not_before: Duration::ZERO };
        }
    }

    /// When the oldest one that is under way was written.
    pub(super) fn oldest_asked(&self) -> Option<Duration> {
        let since = |mark: &Mark| match mark.state {
            State::InFlight { since, .. } => Some(since),
            State::Waiting { .. } => None,
        };
        self.0.values().filter_map(since).min()
    }

    /// When the next one that waits for a time may go.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let at = |mark: &Mark| match mark.state {
            State::Waiting { not_before } if not_before > now => Some(not_before),
            _ => None,
        };
        self.0.values().filter_map(at).min()
    }

    fn of(&self, request: RequestId) -> Option<ConversationId> {
        self.0.iter().find(|(_, mark)| mark.request() == Some(request)).map(|(of, _)| *of)
    }
}
