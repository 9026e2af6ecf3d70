//! What came of a run, for people and for scenarios.

use std::{fmt, time::Duration};

use serde::Serialize;

/// What is counted on the way.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Answered with `sent`.
    pub(crate) acknowledged: u64,
    /// Answered with an error that sending again would not change.
    pub(crate) refused: u64,
    /// Shown to the one they were for, each counted once.
    pub(crate) received: u64,
    /// Further showings of the same.
    pub(crate) duplicated: u64,
    /// Shown to somebody else, or never sent.
    pub(crate) misdelivered: u64,
    /// Shown after a later one of the same sender. It is no fault where the id is in order.
    pub(crate) late: u64,
    /// Sessions after each user's first.
    pub(crate) reconnects: u64,
    /// Why a session was lost last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_disconnect: Option<String>,
    /// What was refused first, or why the first client stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

/// The JSON object at the end.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Something was sent, all of it was answered, and what was answered with `sent` was shown once and
    /// in its place.
    pub(crate) ok: bool,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// Sends whose outcome is unknown.
    pub(crate) unanswered: u64,
    /// Answered with `sent` and not shown.
    pub(crate) lost: u64,
    /// Shown in a place that is not after that of an earlier one.
    pub(crate) reordered: u64,
    /// Users whose client gave up.
    pub(crate) stopped: usize,
    /// The longest time between two answers, whoever's; an open one at the end counts.
    pub(crate) longest_gap_ms: u64,
    /// From a send to its answer, over reconnects.
    pub(crate) sent_p50_ms: f64,
    pub(crate) sent_p99_ms: f64,
    pub(crate) sent_max_ms: f64,
}

impl Counts {
    pub(crate) fn unanswered(&self) -> u64 {
        self.sent - self.acknowledged - self.refused
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, acknowledged, received, reconnects, .. } = self;
        write!(
            f,
            "sent {sent}, acknowledged {acknowledged}, received {received}, reconnects {reconnects}"
        )
    }
}

impl Report {
    pub(crate) fn new(
        counts: Counts,
        lost: u64,
        reordered: u64,
        stopped: usize,
        longest_gap: Duration,
        [p50, p99, max]: [Duration; 3],
    ) -> Self {
        let unanswered = counts.unanswered();
        let Counts { acknowledged, refused, duplicated, misdelivered, .. } = counts;
        let faults = [unanswered, refused, lost, duplicated, reordered, misdelivered];
        // To the microsecond, which is what was measured.
        let ms = |time: Duration| time.as_micros() as f64 / 1e3;
        Self {
            ok: acknowledged > 0 && stopped == 0 && faults.iter().all(|count| *count == 0),
            counts,
            unanswered,
            lost,
            reordered,
            stopped,
            longest_gap_ms: u64::try_from(longest_gap.as_millis()).unwrap_or(u64::MAX),
            sent_p50_ms: ms(p50),
            sent_p99_ms: ms(p99),
            sent_max_ms: ms(max),
        }
    }
}
