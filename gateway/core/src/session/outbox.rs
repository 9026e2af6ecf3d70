//! What the client has sent and has no answer to yet (rules 8 and 9).
//!
//! Each conversation has a lane with one batch on its way; later sends queue behind it. Nothing of a
//! lane is appended while an earlier part of it is in doubt, so ids rise in the order sent.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chatcluster_protocol::{
    client::{Error, ErrorCode, RequestId, Send, Sent, ServerFrame},
    id::{ConversationId, HybridClock, MessageId},
    limits::{GROUP_MEMBERS, SENDS_IN_FLIGHT},
    planted::{Bug, planted},
};

use super::{AppendResult, Effect, Outgoing, floor::Floor, owed::Owed, rated::limited};
use crate::{Away, Device, Rates};

/// Sends to a group in one batch: the answer names the devices of all members for each of them.
const GROUP_BATCH: usize = 8;

/// How often a batch is stamped again before its sends fail. Each time the service has named the id to
/// exceed, so a second time already says that something else is wrong, such as a clock.
const STAMPS: u8 = 4;

/// What clients are told to wait after `unavailable`, in milliseconds.
const RETRY_AFTER: u64 = 1_000;

/// At most [`SENDS_IN_FLIGHT`] sends; one more is refused. Most sessions have none most of the time, and
/// then it has no memory.
#[derive(Debug, Default)]
pub(super) struct Outbox(Option<Box<Sends>>);

#[derive(Debug, Default)]
struct Sends {
    lanes: BTreeMap<ConversationId, Lane>,
    owed: Owed,
    requests: usize,
    abandoned: bool,
}

#[derive(Debug, Default)]
struct Lane {
    batch: Vec<Waiting>,
    queue: VecDeque<Waiting>,
    stamps: u8,
}

/// A send without an answer.
#[derive(Debug)]
struct Waiting {
    send: Arc<Outgoing>,
    /// Of the send, and of its repetitions that came before the answer.
    requests: Vec<RequestId>,
}

/// What stamping needs.
pub(super) struct Stamper<'a> {
    pub(super) floor: &'a mut Floor,
    pub(super) clock: &'a mut HybridClock,
    pub(super) wall: u64,
    pub(super) monotonic: Duration,
}

impl Outbox {
    /// Takes a send: appends it, or queues it behind what is on its way.
    pub(super) fn send(
        &mut self,
        sender: &Device,
        frame: Send,
        stamper: &mut Stamper<'_>,
        rates: &mut Rates,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        self.0.get_or_insert_default().send(sender, frame, stamper, rates, effects)
    }

    /// Takes the answer to a lane's batch: answers its sends, stamps again those refused for their
    /// ids, goes on with the queue. After a failure all of the lane fails.
    pub(super) fn settle(
        &mut self,
        conversation: ConversationId,
        results: Result<Vec<AppendResult>, Away>,
        stamper: &mut Stamper<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(sends) = &mut self.0 {
            sends.settle(conversation, results, stamper, effects);
            if sends.is_idle() {
                self.0 = None;
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Duration) {
        if let Some(sends) = &mut self.0 {
            sends.owed.tick(now);
            if sends.is_idle() {
                self.0 = None;
            }
        }
    }

    /// When the next tick is due, if one is.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.as_ref().and_then(|sends| sends.owed.deadline())
    }

    /// The client is gone. Nothing more is answered or appended, so clients send it again; what the
    /// message service still confirms is routed.
    pub(super) fn abandon(&mut self) {
        if let Some(sends) = &mut self.0 {
            sends.abandoned = true;
        }
    }

    /// How many sends have no answer.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |sends| sends.requests)
    }

    /// Something was sent lately.
    #[cfg(test)]
    pub(super) fn has_memory(&self) -> bool {
        self.0.is_some()
    }

    /// Nothing waits for the message service.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|sends| sends.lanes.is_empty())
    }
}

impl Sends {
    fn is_idle(&self) -> bool {
        self.lanes.is_empty() && self.owed.is_empty()
    }

    fn send(
        &mut self,
        sender: &Device,
        frame: Send,
        stamper: &mut Stamper<'_>,
        rates: &mut Rates,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let refuse = |code, text: &str| {
            let (id, reference) = (Some(frame.id), Some(frame.reference.clone()));
            Err(Error { id, reference, ..Error::new(code, text) })
        };
        let full = self.requests >= SENDS_IN_FLIGHT;
        let mut waiting =
            self.lanes.values_mut().flat_map(|lane| lane.batch.iter_mut().chain(&mut lane.queue));
        if let Some(twin) = waiting.find(|twin| twin.send.reference == frame.reference) {
            if twin.send.to != frame.to || twin.send.content != frame.content {
                return refuse(ErrorCode::ReferenceConflict, CONFLICT);
            }
            if full {
                return refuse(ErrorCode::TooManyInFlight, &too_many());
            }
            twin.requests.push(frame.id);
            self.requests += 1;
            return Ok(());
        }
        let conversation = frame.to.conversation(&sender.user);
        let now = stamper.monotonic;
        // What is held back takes nothing of the rate: all of it is for what comes first.
        let wait = rates.send_waits(&sender.user, now);
        if full || wait.is_some() || !self.owed.admits(conversation, &frame.reference, now) {
            if !(wait.is_some() && planted(Bug::LimitedHoldsNothingBack)) {
                self.owed.refused(conversation, frame.reference.clone(), now);
            }
            if full {
                return refuse(ErrorCode::TooManyInFlight, &too_many());
            }
            if let Some(wait) = wait {
                let (id, reference) = (Some(frame.id), Some(frame.reference));
                return Err(Error { id, reference, ..limited(TOO_OFTEN, wait) });
            }
            let error = refuse(ErrorCode::Unavailable, HELD_BACK);
            return error.map_err(|error| Error { retry_after: Some(RETRY_AFTER), ..error });
        }
        rates.sends(&sender.user, now);
        let Send { id, reference, to, content, .. } = frame;
        let send = Arc::new(Outgoing { sender: sender.clone(), reference, to, content });
        let lane = self.lanes.entry(conversation).or_default();
        lane.queue.push_back(Waiting { send, requests: vec![id] });
        self.requests += 1;
        if lane.batch.is_empty() {
            effects.push(lane.append(conversation, stamper));
        }
        Ok(())
    }

    fn settle(
        &mut self,
        conversation: ConversationId,
        results: Result<Vec<AppendResult>, Away>,
        stamper: &mut Stamper<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut lane) = self.lanes.remove(&conversation) else { return };
        let mut results = results.unwrap_or_default().into_iter();
        let (mut again, mut failed) = (Vec::new(), false);
        for waiting in std::mem::take(&mut lane.batch) {
            match results.next().unwrap_or(AppendResult::Unavailable) {
                AppendResult::Stored { id, devices } => {
                    // It may be of an earlier attempt, by a gateway whose clock is ahead.
                    stamper.floor.must_exceed(id);
                    effects.extend(self.stored(conversation, &waiting, id, devices));
                }
                AppendResult::Conflict => {
                    effects.extend(self.fail(&waiting, ErrorCode::ReferenceConflict, CONFLICT));
                }
                AppendResult::Forbidden(text) => {
                    effects.extend(self.fail(&waiting, ErrorCode::Forbidden, &text));
                }
                AppendResult::GroupFull => {
                    effects.extend(self.fail(&waiting, ErrorCode::GroupFull, &group_full()));
                }
                AppendResult::OutOfOrder { highest } => {
                    stamper.floor.must_exceed(highest);
                    again.push(waiting);
                }
                AppendResult::Unavailable if planted(Bug::FailureIsSent) => {
                    let id = MessageId::floor(stamper.wall);
                    effects.extend(self.stored(conversation, &waiting, id, Vec::new()));
                }
                AppendResult::TooOld => again.push(waiting),
                AppendResult::TooNew | AppendResult::Unavailable => {
                    failed = true;
                    again.push(waiting);
                }
            }
        }
        lane.stamps = if again.is_empty() { 0 } else { lane.stamps + 1 };
        for waiting in again.into_iter().rev() {
            lane.queue.push_front(waiting);
        }
        if failed || self.abandoned || lane.stamps >= STAMPS {
            let references = lane.queue.iter().map(|waiting| waiting.send.reference.clone());
            self.owed.failed(conversation, references, stamper.monotonic);
            for waiting in lane.queue {
                effects.extend(self.fail(&waiting, ErrorCode::Unavailable, UNAVAILABLE));
            }
        } else if !lane.queue.is_empty() {
            effects.push(lane.append(conversation, stamper));
            self.lanes.insert(conversation, lane);
        }
    }

    fn stored(
        &mut self,
        conversation: ConversationId,
        waiting: &Waiting,
        message: MessageId,
        devices: Vec<Device>,
    ) -> Vec<Effect> {
        let (send, at) = (&waiting.send, message.millis());
        let mut effects = self.answer(waiting, |id| {
            let reference = send.reference.clone();
            ServerFrame::Sent(Sent { id, reference, message, conversation, at })
        });
        let push = send.push(message);
        effects.push(Effect::Route { push, devices });
        effects
    }

    fn fail(&mut self, waiting: &Waiting, code: ErrorCode, text: &str) -> Vec<Effect> {
        self.answer(waiting, |id| {
            ServerFrame::Error(Error {
                id: Some(id),
                reference: Some(waiting.send.reference.clone()),
                retry_after: code.is_temporary().then_some(RETRY_AFTER),
                ..Error::new(code, text)
            })
        })
    }

    /// Answers a send and its repetitions, unless nobody is there.
    fn answer(
        &mut self,
        waiting: &Waiting,
        frame: impl Fn(RequestId) -> ServerFrame,
    ) -> Vec<Effect> {
        self.requests -= waiting.requests.len();
        let listening = waiting.requests.iter().filter(|_| !self.abandoned);
        listening.map(|id| Effect::Write(frame(*id).encode().into())).collect()
    }
}

const CONFLICT: &str = "the reference was used for other content; choose a new one";
/// What is said where a group has no room.
pub(crate) fn group_full() -> String {
    format!("a group has at most {GROUP_MEMBERS} members")
}

const HELD_BACK: &str =
    "an earlier send has to come again first; then send the same reference again";
const TOO_OFTEN: &str =
    "the user has sent more than one may in this time; send the same reference again later";
const UNAVAILABLE: &str = "the outcome is unknown; send the same reference again";

fn too_many() -> String {
    format!(
        "at most {SENDS_IN_FLIGHT} sends may be without an answer; send the same reference again"
    )
}

impl Lane {
    /// Stamps all that queues, or of a group a part of it, and makes it the batch.
    fn append(&mut self, conversation: ConversationId, stamper: &mut Stamper<'_>) -> Effect {
        let most = if conversation.group().is_some() { GROUP_BATCH } else { usize::MAX };
        self.batch = self.queue.drain(..self.queue.len().min(most)).collect();
        let append =
            |waiting: &Waiting| waiting.send.stamp(stamper.floor, stamper.clock, stamper.wall);
        Effect::Append { conversation, appends: self.batch.iter().map(append).collect() }
    }
}
