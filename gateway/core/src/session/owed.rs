//! Sends that failed and that the client will send again (rule 9).
//!
//! A client pipelines: when one send fails or is refused, later ones of the conversation may be on the
//! wire already. Were they stored, they would have lower ids than its repetition. So they fail too, and
//! what has failed is admitted again in the order sent.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use chatcluster_protocol::{
    id::{ConversationId, Reference},
    limits::SENDS_IN_FLIGHT,
    planted::{Bug, planted},
};

/// How long the next repetition is waited for once the client has read of the failure. Clients are told to
/// repeat after a second; one that gives a message up, or repeats it under another reference, is kept from
/// sending for no longer than this.
const WITHIN: Duration = Duration::from_secs(5);

/// How long it is waited for while nothing shows that the client has read of the failure. One that reads
/// late goes on sending what is newer until it does.
const UNREAD: Duration = Duration::from_secs(60);

/// References that are waited for, over all conversations: what a client has in flight, and three times as
/// much that came too early. Where there are more, what comes first in its conversation has to come twice
/// for [`UNREAD`].
const MOST: usize = 4 * SENDS_IN_FLIGHT;

/// How often it is looked while something is waited for. Where twice as much has passed since the last look,
/// the gateway was paused and could not read what the client had sent: only that much counts.
const LOOK: Duration = Duration::from_secs(1);

/// Per conversation what failed, in the order sent. Empty but for a while after a failure.
#[derive(Debug, Default)]
pub(super) struct Owed {
    conversations: BTreeMap<ConversationId, Repetitions>,
    /// More has failed than is remembered: what is not remembered waits until then.
    forgetful: Option<Duration>,
    /// The last look, and how much time has counted by then: [`Repetitions::until`] is in that time.
    looked: Duration,
    counted: Duration,
}

#[derive(Debug)]
struct Repetitions {
    waited: VecDeque<Waited>,
    until: Duration,
}

/// A send that has failed or was refused.
#[derive(Debug)]
struct Waited {
    reference: Reference,
    /// The client was told so after it was last told of a failure of what comes before. If it repeats this
    /// one all the same, it has read of that failure, since it reads in order.
    told: bool,
}

impl Owed {
    /// Nothing is waited for, or has been until lately.
    pub(super) fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.forgetful.is_none()
    }

    /// Time has passed; what has been waited for long enough is forgotten.
    pub(super) fn tick(&mut self, now: Duration) {
        let now = self.count(now);
        self.conversations.retain(|_, owed| owed.until > now);
        self.forgetful.take_if(|until| *until <= now);
    }

    /// When the next tick is due, while something is waited for.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (!self.is_empty()).then_some(self.looked + LOOK)
    }

    /// The time that has counted so far.
    fn count(&mut self, now: Duration) -> Duration {
        self.counted += now.saturating_sub(self.looked).min(2 * LOOK);
        self.looked = now;
        self.counted
    }

    /// These sends had been admitted and have failed, in this order. What is waited for already was sent
    /// after them.
    pub(super) fn failed(
        &mut self,
        conversation: ConversationId,
        references: impl DoubleEndedIterator<Item = Reference>,
        now: Duration,
    ) {
        let now = self.count(now);
        let owed = self.owed(conversation, now);
        owed.waited.iter_mut().for_each(|waited| waited.told = false);
        for reference in references.rev() {
            owed.waited.push_front(Waited { reference, told: true });
        }
        owed.until = now + UNREAD;
        self.bound(conversation, now);
    }

    /// This send was not admitted. One that was waited for keeps its place; the first of them has come, and
    /// is refused for want of room alone, or by the rate limit: the repetitions of the others may be on the
    /// wire behind it.
    pub(super) fn refused(
        &mut self,
        conversation: ConversationId,
        reference: Reference,
        now: Duration,
    ) {
        let now = self.count(now);
        let owed = self.owed(conversation, now);
        let mut waited = owed.waited.iter_mut().enumerate();
        match waited.find(|(_, waited)| waited.reference == reference) {
            Some((0, _)) => {
                owed.until = now + UNREAD;
                owed.waited.iter_mut().skip(1).for_each(|waited| waited.told = false);
            }
            Some((_, waited)) if waited.told => owed.until = owed.until.min(now + WITHIN),
            Some((_, waited)) => waited.told = true,
            None => owed.waited.push_back(Waited { reference, told: true }),
        }
        self.bound(conversation, now);
    }

    fn owed(&mut self, conversation: ConversationId, now: Duration) -> &mut Repetitions {
        self.conversations.retain(|_, owed| owed.until > now);
        let new = || Repetitions { waited: VecDeque::new(), until: now + UNREAD };
        self.conversations.entry(conversation).or_insert_with(new)
    }

    /// Forgets what is too much, the conversation's last first.
    fn bound(&mut self, conversation: ConversationId, now: Duration) {
        let all: usize = self.conversations.values().map(|owed| owed.waited.len()).sum();
        let over = all.saturating_sub(MOST);
        if over == 0 {
            return;
        }
        if let Some(owed) = self.conversations.get_mut(&conversation) {
            owed.waited.truncate(owed.waited.len().saturating_sub(over));
            if owed.waited.is_empty() {
                self.conversations.remove(&conversation);
            }
        }
        if self.forgetful.is_none_or(|until| until <= now) {
            self.forgetful = Some(now + UNREAD);
        }
    }

    /// May this send be stored now? Not while an earlier one is waited for.
    pub(super) fn admits(
        &mut self,
        conversation: ConversationId,
        reference: &Reference,
        now: Duration,
    ) -> bool {
        if planted(Bug::LaterSendsGoOn) {
            return true;
        }
        let now = self.count(now);
        let Some(owed) = self.conversations.get_mut(&conversation).filter(|owed| owed.until > now)
        else {
            self.conversations.remove(&conversation);
            self.forgetful.take_if(|until| *until <= now);
            return self.forgetful.is_none();
        };
        if owed.waited.front().is_none_or(|waited| waited.reference != *reference) {
            return false;
        }
        owed.waited.pop_front();
        owed.until = now + UNREAD;
        if owed.waited.is_empty() {
            self.conversations.remove(&conversation);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::UserId;

    use super::*;

    fn reference(name: &str) -> Reference {
        Reference::new(name).unwrap()
    }

    fn conversation() -> ConversationId {
        let [alice, bob] = ["alice", "bob"].map(|name| UserId::new(name).unwrap());
        ConversationId::between(&alice, &bob)
    }

    fn owing(names: &[&str]) -> Owed {
        let mut owed = Owed::default();
        owed.failed(conversation(), names.iter().map(|name| reference(name)), Duration::ZERO);
        owed
    }

    /// Until then, with a look every second.
    fn wait(owed: &mut Owed, seconds: u64) {
        for second in owed.looked.as_secs()..seconds {
            owed.tick(Duration::from_secs(second + 1));
        }
    }

    fn admits(owed: &mut Owed, name: &str, seconds: u64) -> bool {
        wait(owed, seconds);
        owed.admits(conversation(), &reference(name), Duration::from_secs(seconds))
    }

    #[test]
    fn what_fails_again_still_comes_before_what_is_waited_for() {
        let mut owed = owing(&["r1", "r2"]);
        assert!(admits(&mut owed, "r1", 1));
        owed.failed(conversation(), [reference("r1")].into_iter(), Duration::from_secs(2));
        owed.refused(conversation(), reference("r3"), Duration::from_secs(2));
        let waited =
            owed.conversations[&conversation()].waited.iter().map(|one| one.reference.as_str());
        assert!(waited.eq(["r1", "r2", "r3"]));
    }

    #[test]
    fn a_later_send_waits_until_all_that_failed_has_come_again() {
        let mut owed = owing(&["r1", "r2"]);
        for (name, admitted) in
            [("r3", false), ("r1", true), ("r3", false), ("r2", true), ("r3", true)]
        {
            assert_eq!(admits(&mut owed, name, 1), admitted, "{name}");
        }
    }

    #[test]
    fn a_repetition_that_was_on_the_wire_behind_one_that_fails_again_waits_too() {
        let mut owed = owing(&["r1", "r2"]);
        assert!(admits(&mut owed, "r1", 1));
        owed.failed(conversation(), [reference("r1")].into_iter(), Duration::from_secs(1));
        for (name, admitted) in [("r2", false), ("r1", true), ("r2", true)] {
            assert_eq!(admits(&mut owed, name, 2), admitted, "{name}");
        }
    }

    /// A send that is refused if it is not admitted.
    fn sends(owed: &mut Owed, name: &str, seconds: u64) -> bool {
        let admitted = admits(owed, name, seconds);
        if !admitted {
            owed.refused(conversation(), reference(name), Duration::from_secs(seconds));
        }
        admitted
    }

    #[test]
    fn a_client_that_reads_late_of_a_failure_sends_nothing_newer_before_it() {
        let mut owed = owing(&["r1"]);
        for (second, name) in [(1, "r2"), (7, "r3"), (20, "r4"), (59, "r5")] {
            assert!(!sends(&mut owed, name, second), "{name}");
        }
        for name in ["r1", "r2", "r3", "r4", "r5", "r6"] {
            assert!(sends(&mut owed, name, 59), "{name}");
        }
    }

    #[test]
    fn what_a_client_gives_up_is_waited_for_until_5_seconds_after_it_has_read_of_it() {
        let mut owed = owing(&["r1"]);
        assert!(!sends(&mut owed, "r2", 10));
        assert!(!sends(&mut owed, "r2", 11), "it repeats r2, and so has read of r1");
        assert!(!sends(&mut owed, "r2", 15));
        assert!(sends(&mut owed, "r2", 16));
        assert!(owed.conversations.is_empty());

        let mut owed = owing(&["r1", "r2"]);
        assert!(!sends(&mut owed, "r2", 1), "it was told of r2 after r1");
        assert!(sends(&mut owed, "r2", 6));

        let mut owed = owing(&["r1"]);
        assert!(!admits(&mut owed, "r2", 59));
        assert!(admits(&mut owed, "r2", 60), "it repeats nothing");
    }

    #[test]
    fn time_in_which_nothing_could_be_read_does_not_count() {
        let mut owed = owing(&["r1", "r2"]);
        assert!(!sends(&mut owed, "r2", 1));
        let after_a_pause = Duration::from_secs(100);
        owed.tick(after_a_pause);
        assert_eq!(owed.deadline(), Some(after_a_pause + LOOK));
        assert!(!owed.admits(conversation(), &reference("r2"), after_a_pause));
        assert!(owed.admits(conversation(), &reference("r1"), after_a_pause));

        let mut owed = owing(&["r1"]);
        wait(&mut owed, 59);
        assert!(!owed.is_empty());
        wait(&mut owed, 60);
        assert!(owed.is_empty());
        assert_eq!(owed.deadline(), None);
    }

    #[test]
    fn one_that_comes_again_and_finds_no_room_is_waited_for_anew() {
        let mut owed = owing(&["r1", "r2"]);
        for second in 1..30 {
            for name in ["r1", "r2"] {
                owed.refused(conversation(), reference(name), Duration::from_secs(second));
            }
        }
        assert!(!sends(&mut owed, "r2", 30));
        assert!(sends(&mut owed, "r1", 31) && sends(&mut owed, "r2", 31));
    }

    #[test]
    fn a_repetition_tells_nothing_of_a_failure_after_it() {
        let mut owed = owing(&["r1"]);
        assert!(!sends(&mut owed, "r2", 1));
        assert!(sends(&mut owed, "r1", 2));
        owed.failed(conversation(), [reference("r1")].into_iter(), Duration::from_secs(3));
        assert!(!sends(&mut owed, "r2", 4), "it may not know yet that r1 has failed again");
        assert!(!sends(&mut owed, "r3", 20));
        assert!(!sends(&mut owed, "r2", 21));
        assert!(sends(&mut owed, "r1", 22));
    }

    #[test]
    fn other_conversations_go_on() {
        let mut owed = owing(&["r1"]);
        let [alice, carol] = ["alice", "carol"].map(|name| UserId::new(name).unwrap());
        assert!(owed.admits(
            ConversationId::between(&alice, &carol),
            &reference("r2"),
            Duration::ZERO
        ));
    }

    #[test]
    fn what_is_too_much_to_be_remembered_waits() {
        let names: Vec<_> = (0..=MOST).map(|n| format!("r{n}")).collect();
        let mut owed = owing(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(owed.conversations[&conversation()].waited.len(), MOST);
        for name in &names[..MOST] {
            assert!(sends(&mut owed, name, 1), "{name}");
        }
        for name in [&names[MOST], "new"] {
            assert!(!sends(&mut owed, name, 4), "{name}");
        }
        for name in [&names[MOST], "new"] {
            assert!(sends(&mut owed, name, 5), "{name}");
        }
        assert!(!owed.is_empty());
        assert!(admits(&mut owed, "newer", 60));
        assert!(owed.is_empty());
    }

    #[test]
    fn no_more_is_kept_of_many_conversations() {
        let mut owed = Owed::default();
        let alice = UserId::new("alice").unwrap();
        for n in 0..2 * MOST {
            let other = UserId::new(format!("u{n}")).unwrap();
            let conversation = ConversationId::between(&alice, &other);
            owed.refused(conversation, reference("r"), Duration::ZERO);
        }
        assert_eq!(owed.conversations.len(), MOST);
    }
}
