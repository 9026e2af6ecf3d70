//! Reading the inbox to its end while live pushes wait (rule 18).

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use chatcluster_protocol::planted::{Bug, planted};

use crate::{Push, backoff::Backoff};

/// Most entries in one page of the inbox.
pub(super) const PAGE: u32 = 100;

/// Most live pushes that wait for the end of a pass, and most bytes of their text.
pub(super) const BUFFER: usize = 128;
const BUFFER_BYTES: usize = 512 * 1024;

/// First and longest wait after a page could not be read.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// One or more passes over the inbox, each from its start. A pass waits where the window is full.
#[derive(Debug)]
pub(super) struct CatchUp {
    pub(super) step: Step,
    /// Read and not pushed yet: what is left of a page when the window is full.
    pub(super) page: VecDeque<Push>,
    /// Live pushes, in the order they came.
    live: VecDeque<Push>,
    live_bytes: usize,
    /// Something may be in the inbox that this pass does not see: another one follows.
    pub(super) again: bool,
    backoff: Backoff,
}

/// Where the pass is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The next page has this cursor, and is read when the window has room.
    Next(Option<Bytes>),
    /// The page with this cursor is being read.
    Reading(Option<Bytes>),
    /// The page with this cursor could not be read; it is tried again at this time.
    Retry(Option<Bytes>, Duration),
    /// The last page has been read.
    Done,
}

impl CatchUp {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Next(None),
            page: VecDeque::new(),
            live: VecDeque::new(),
            live_bytes: 0,
            again: false,
            backoff: BACKOFF,
        }
    }

    /// Keeps a live push for the end of the pass. `false` when there is no room: another pass follows.
    pub(super) fn keep(&mut self, push: Push) -> bool {
        if self.live.iter().any(|kept| kept.id == push.id && kept.receipt == push.receipt) {
            return true;
        }
        if self.live.len() >= BUFFER || self.live_bytes >= BUFFER_BYTES {
            self.again = !planted(Bug::OverflowForgotten);
            return false;
        }
        self.live_bytes += push.frame.len();
        self.live.push_back(push);
        true
    }

    /// The pass, or another one, has something to push or to read.
    pub(super) fn owes(&self) -> bool {
        self.step != Step::Done || !self.page.is_empty() || !self.live.is_empty() || self.again
    }

    /// Takes the first of the kept pushes.
    pub(super) fn take_live(&mut self) -> Option<Push> {
        let push = self.live.pop_front()?;
        self.live_bytes -= push.frame.len();
        Some(push)
    }

    /// A page came, or not.
    pub(super) fn read(&mut self, page: Option<(Vec<Push>, Option<Bytes>)>, now: Duration) {
        let Step::Reading(cursor) = &mut self.step else { return };
        let cursor = cursor.take();
        match page {
            Some((entries, next)) => {
                self.page = entries.into();
                self.backoff = BACKOFF;
                self.step = next.map_or(Step::Done, |next| Step::Next(Some(next)));
            }
            None => self.step = Step::Retry(cursor, now + self.backoff.next()),
        }
    }
}
