//! What was sent, answered and shown, and so what has to be shown yet. No clock and no socket: times
//! come as durations since the traffic began.

use std::time::Duration;

use chatcluster_client::protocol::id::MessageId;
use hdrhistogram::Histogram;

use crate::report::{Counts, Report};

/// Answers are timed in microseconds, to three digits, up to an hour.
const LONGEST_WAIT: u64 = 3_600_000_000;

/// The knowledge of a run. A lane is what one user sends to one other, by the sender's number;
/// messages of a lane have numbers in the order in which they were sent.
#[derive(Debug)]
pub(crate) struct Oracle {
    lanes: Vec<Lane>,
    counts: Counts,
    /// Answered with `sent` and not shown yet.
    owed: u64,
    waits: Histogram<u64>,
    last_answer: Option<Duration>,
    longest_gap: Duration,
}

#[derive(Debug, Default)]
struct Lane {
    messages: Vec<Message>,
    /// The highest number that was shown.
    highest: Option<u32>,
    connections: u64,
    caught_up: bool,
    stopped: Option<String>,
}

#[derive(Debug)]
struct Message {
    sent: Duration,
    answered: bool,
    /// Where it was shown: ids are places in a conversation.
    shown: Option<MessageId>,
}

impl Oracle {
    pub(crate) fn new(lanes: usize) -> Self {
        // Constants that it takes; anything else would be found by the first test.
        #[allow(clippy::expect_used)]
        let waits = Histogram::new_with_bounds(1, LONGEST_WAIT, 3).expect("a histogram");
        Self {
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            counts: Counts::default(),
            owed: 0,
            waits,
            last_answer: None,
            longest_gap: Duration::ZERO,
        }
    }

    /// A message leaves; returns its number.
    pub(crate) fn sent(&mut self, lane: usize, now: Duration) -> u32 {
        self.counts.sent += 1;
        self.last_answer.get_or_insert(now);
        let messages = &mut self.lanes[lane].messages;
        messages.push(Message { sent: now, answered: false, shown: None });
        // --count and --rate keep it far below.
        u32::try_from(messages.len() - 1).unwrap_or(u32::MAX)
    }

    /// It was answered with `sent`.
    pub(crate) fn answered(&mut self, lane: usize, number: u32, now: Duration) {
        let Some(message) = self.lanes[lane].messages.get_mut(number as usize) else { return };
        message.answered = true;
        self.counts.acknowledged += 1;
        self.owed += u64::from(message.shown.is_none());
        let wait = now.saturating_sub(message.sent).as_micros();
        self.waits.saturating_record(u64::try_from(wait).unwrap_or(LONGEST_WAIT).max(1));
        self.longest_gap = self.longest_gap.max(self.gap(now));
        self.last_answer = Some(now);
    }

    /// It was answered with an error that sending it again would not change.
    pub(crate) fn refused(&mut self, why: String) {
        self.counts.refused += 1;
        self.counts.trouble.get_or_insert(why);
    }

    /// A message was shown to the one it was for.
    pub(crate) fn shown(&mut self, lane: usize, number: u32, place: MessageId) {
        let lane = &mut self.lanes[lane];
        let Some(message) = lane.messages.get_mut(number as usize) else {
            self.counts.misdelivered += 1;
            return;
        };
        if message.shown.is_some() {
            self.counts.duplicated += 1;
            return;
        }
        message.shown = Some(place);
        self.counts.received += 1;
        self.owed -= u64::from(message.answered);
        self.counts.late += u64::from(lane.highest > Some(number));
        lane.highest = lane.highest.max(Some(number));
    }

    /// A message was shown to somebody else than the one it was for.
    pub(crate) fn misdelivered(&mut self) {
        self.counts.misdelivered += 1;
    }

    /// A user has a session.
    pub(crate) fn connected(&mut self, user: usize) {
        let connections = &mut self.lanes[user].connections;
        *connections += 1;
        self.counts.reconnects += u64::from(*connections > 1);
    }

    /// A user's device has an inbox, and nothing is in it that was not shown.
    pub(crate) fn caught_up(&mut self, user: usize) {
        self.lanes[user].caught_up = true;
    }

    /// A user has lost its session, or did not get one.
    pub(crate) fn disconnected(&mut self, why: String) {
        self.counts.last_disconnect = Some(why);
    }

    /// A user's client has ended, and does not connect again.
    pub(crate) fn stopped(&mut self, user: usize, why: String) {
        self.counts.trouble.get_or_insert_with(|| why.clone());
        self.lanes[user].stopped = Some(why);
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Users whose device has an inbox, so that what is sent to them waits for them.
    pub(crate) fn users_ready(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.caught_up).count()
    }

    /// Why a user will never have a session again.
    pub(crate) fn first_stopped(&self) -> Option<&str> {
        self.lanes.iter().find_map(|lane| lane.stopped.as_deref())
    }

    /// Every send has its answer, and what was answered with `sent` was shown.
    pub(crate) fn is_settled(&self) -> bool {
        self.counts.unanswered() == 0 && self.owed == 0
    }

    /// What came of it, `now` being the end.
    pub(crate) fn report(&self, now: Duration) -> Report {
        let open = if self.counts.unanswered() > 0 { self.gap(now) } else { Duration::ZERO };
        let micros = |quantile| Duration::from_micros(self.waits.value_at_quantile(quantile));
        Report::new(
            self.counts.clone(),
            self.owed,
            self.lanes.iter().map(Lane::reordered).sum(),
            self.lanes.iter().filter(|lane| lane.stopped.is_some()).count(),
            self.longest_gap.max(open),
            [micros(0.5), micros(0.99), micros(1.0)],
        )
    }

    fn gap(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_answer.unwrap_or(now))
    }
}

impl Lane {
    /// Messages whose place is not after those of all that were sent before.
    fn reordered(&self) -> u64 {
        let (mut highest, mut count) = (None, 0);
        for place in self.messages.iter().filter_map(|message| message.shown) {
            count += u64::from(highest >= Some(place));
            highest = highest.max(Some(place));
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn place(n: u64) -> MessageId {
        MessageId::floor(n)
    }

    /// One lane on which so many messages were sent and answered, one each second.
    fn answered(count: u32) -> Oracle {
        let mut oracle = Oracle::new(2);
        for n in 0..count {
            assert_eq!(oracle.sent(0, SECOND * n), n);
            oracle.answered(0, n, SECOND * n + Duration::from_millis(5));
        }
        oracle
    }

    #[test]
    fn what_arrives_once_and_in_order_is_good() {
        let mut oracle = answered(3);
        for n in 0..3 {
            assert!(!oracle.is_settled(), "{n}");
            oracle.shown(0, n, place(u64::from(n) + 1));
        }
        assert!(oracle.is_settled());
        let report = oracle.report(SECOND * 9);
        assert!(report.ok, "{report:?}");
        assert_eq!((report.counts.sent, report.counts.received), (3, 3));
        assert_eq!((report.longest_gap_ms, report.sent_p50_ms.round()), (1000, 5.0));
    }

    #[test]
    fn an_answered_message_that_is_not_shown_is_lost() {
        let mut oracle = answered(2);
        oracle.shown(0, 1, place(2));
        assert!(!oracle.is_settled());
        let report = oracle.report(SECOND);
        assert_eq!((report.ok, report.lost), (false, 1));
    }

    #[test]
    fn a_message_that_is_shown_twice_is_doubled() {
        let mut oracle = answered(1);
        oracle.shown(0, 0, place(1));
        oracle.shown(0, 0, place(2));
        let report = oracle.report(SECOND);
        assert_eq!((report.ok, report.counts.duplicated, report.lost), (false, 1, 0));
    }

    #[test]
    fn a_place_before_an_earlier_messages_is_reordered() {
        let mut oracle = answered(3);
        for (n, at) in [(0, 1), (1, 3), (2, 2)] {
            oracle.shown(0, n, place(at));
        }
        let report = oracle.report(SECOND);
        assert_eq!((report.ok, report.reordered, report.counts.late), (false, 1, 0));
    }

    /// The protocol lets a message come after a later one, if its id says where it belongs.
    #[test]
    fn a_message_that_is_shown_late_in_its_own_place_is_good() {
        let mut oracle = answered(2);
        oracle.shown(0, 1, place(2));
        oracle.shown(0, 0, place(1));
        let report = oracle.report(SECOND);
        assert_eq!((report.ok, report.reordered, report.counts.late), (true, 0, 1));
    }

    #[test]
    fn a_message_may_be_shown_before_its_answer_or_without_one() {
        let mut oracle = answered(1);
        oracle.shown(0, 0, place(1));
        oracle.sent(0, SECOND);
        oracle.shown(0, 1, place(2));
        assert!(!oracle.is_settled(), "it has no answer");
        oracle.answered(0, 1, SECOND * 2);
        assert!(oracle.is_settled());
        assert!(oracle.report(SECOND * 2).ok);
    }

    #[test]
    fn a_send_without_an_answer_is_not_lost_and_not_good_and_its_gap_is_open() {
        let mut oracle = answered(1);
        oracle.shown(0, 0, place(1));
        oracle.sent(0, SECOND);
        let report = oracle.report(SECOND * 30);
        assert_eq!((report.ok, report.lost, report.unanswered), (false, 0, 1));
        assert_eq!(report.longest_gap_ms, 29_995);
    }

    #[test]
    fn what_was_never_sent_or_is_of_others_is_misdelivered() {
        let mut oracle = answered(1);
        oracle.shown(0, 0, place(1));
        oracle.shown(1, 0, place(1));
        oracle.misdelivered();
        let report = oracle.report(SECOND);
        assert_eq!((report.ok, report.counts.misdelivered), (false, 2));
    }

    #[test]
    fn refusals_and_users_that_stopped_are_not_good() {
        let refused = |oracle: &mut Oracle| {
            oracle.sent(0, SECOND);
            oracle.refused("too large".into());
        };
        let stopped = |oracle: &mut Oracle| oracle.stopped(1, "gone".into());
        for spoil in [refused, stopped] {
            let mut oracle = answered(1);
            oracle.shown(0, 0, place(1));
            assert!(oracle.report(SECOND).ok);
            spoil(&mut oracle);
            assert!(oracle.is_settled());
            assert!(!oracle.report(SECOND).ok);
        }
    }

    #[test]
    fn a_run_without_an_answered_message_is_not_good() {
        assert!(!Oracle::new(2).report(SECOND).ok);
    }

    #[test]
    fn only_further_sessions_are_reconnects() {
        let mut oracle = Oracle::new(2);
        for user in [0, 1, 1] {
            oracle.connected(user);
            oracle.caught_up(user);
        }
        assert_eq!((oracle.users_ready(), oracle.counts().reconnects), (2, 1));
    }
}
