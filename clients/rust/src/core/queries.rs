//! Questions to the gateway. They change nothing, so they are asked again on the next connection, and when there
//! were too many.

use std::{collections::VecDeque, time::Duration};

use chatcluster_protocol::client::{
    ClientFrame, GroupRequest, GroupState, History, HistoryPage, Receipts, ReceiptsRequest,
    RequestId,
};

/// Waiting or asked. People page through history one page at a time; this is room for a program.
pub(super) const QUERIES: usize = 64;

/// Asked at a time: the answers are large, and messages should not wait behind many of them.
const AT_ONCE: usize = chatcluster_protocol::limits::HISTORIES_IN_FLIGHT;

/// Names a question towards the shell.
pub(super) type Ticket = u64;

/// What the application wants to know.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// What was said.
    History(Box<History>),
    /// Who takes part in a group.
    Group(GroupRequest),
    /// Who has received and read a message.
    Receipts(ReceiptsRequest),
}

/// What it is told.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// To `History`.
    Page(HistoryPage),
    /// To `Group`.
    Group(GroupState),
    /// To `Receipts`.
    Receipts(Receipts),
}

impl Question {
    fn frame(&self, id: RequestId) -> ClientFrame {
        match self {
            Self::History(history) => ClientFrame::History(History { id, ..(**history).clone() }),
            Self::Group(group) => ClientFrame::Group(GroupRequest { id, ..group.clone() }),
            Self::Receipts(of) => ClientFrame::Receipts(ReceiptsRequest { id, ..of.clone() }),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queries(VecDeque<Query>);

#[derive(Debug)]
struct Query {
    ticket: Ticket,
    question: Question,
    /// When it was written on the connection that is open now, and as which request.
    asked: Option<(Duration, RequestId)>,
    /// Not to be written before this time.
    not_before: Duration,
}

impl Queries {
    pub(super) fn push(&mut self, ticket: Ticket, question: Question) -> Result<(), usize> {
        if self.0.len() >= QUERIES {
            return Err(QUERIES);
        }
        self.0.push_back(Query { ticket, question, asked: None, not_before: Duration::ZERO });
        Ok(())
    }

    /// The next one to write, under this request id.
    pub(super) fn next(&mut self, now: Duration, id: RequestId) -> Option<ClientFrame> {
        if self.0.iter().filter(|query| query.asked.is_some()).count() >= AT_ONCE {
            return None;
        }
        let due = |query: &&mut Query| query.asked.is_none() && query.not_before <= now;
        let query = self.0.iter_mut().find(due)?;
        query.asked = Some((now, id));
        Some(query.question.frame(id))
    }

    /// The one that this answers; it is done.
    pub(super) fn answered(&mut self, id: RequestId) -> Option<Ticket> {
        let index = self.position(id)?;
        self.0.remove(index).map(|query| query.ticket)
    }

    /// Whether this is the request of one without an answer.
    pub(super) fn is_asked(&self, id: RequestId) -> bool {
        self.position(id).is_some()
    }

    /// The request was not taken: again, not before this time.
    pub(super) fn again(&mut self, id: RequestId, not_before: Duration) {
        if let Some(query) = self.position(id).and_then(|index| self.0.get_mut(index)) {
            (query.asked, query.not_before) = (None, not_before);
        }
    }

    fn position(&self, id: RequestId) -> Option<usize> {
        self.0.iter().position(|query| query.asked.is_some_and(|(_, asked)| asked == id))
    }

    /// When the next one that waits for a time may go.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let waiting = self.0.iter().filter(|query| query.asked.is_none() && query.not_before > now);
        waiting.map(|query| query.not_before).min()
    }

    pub(super) fn disconnected(&mut self) {
        for query in &mut self.0 {
            (query.asked, query.not_before) = (None, Duration::ZERO);
        }
    }

    pub(super) fn oldest_asked(&self) -> Option<Duration> {
        self.0.iter().filter_map(|query| query.asked).map(|(at, _)| at).min()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Ticket> {
        self.0.drain(..).map(|query| query.ticket)
    }
}
