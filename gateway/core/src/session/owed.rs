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
};

/// How long the next repetition is waited for. Clients are told to repeat after a second; one that gives
/// a message up, or repeats it under another reference, is kept from sending for no longer than this.
const WITHIN: Duration = Duration::from_secs(5);

/// References that are waited for, over all conversations: what a client has in flight, and three times as
/// much that came too early. Where there are more, nothing but these is admitted for [`WITHIN`].
const MOST: usize = 4 * SENDS_IN_FLIGHT;

/// Per conversation what failed, in the order sent. Empty but for seconds after a failure.
#[derive(Debug, Default)]
pub(super) struct Owed {
    conversations: BTreeMap<ConversationId, Repetitions>,
    /// More has failed than is remembered: what is not remembered waits until then.
    forgetful: Option<Duration>,
}

#[derive(Debug)]
struct Repetitions {
    references: VecDeque<Reference>,
    until: Duration,
}

impl Owed {
    /// Nothing is waited for, or has been until lately.
    pub(super) fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.forgetful.is_none()
    }

    /// These sends had been admitted and have failed, in this order. What is waited for already was sent
    /// after them.
    pub(super) fn failed(
        &mut self,
        conversation: ConversationId,
        references: impl DoubleEndedIterator<Item = Reference>,
        now: Duration,
    ) {
        let owed = self.owed(conversation, now);
        for reference in references.rev() {
            owed.references.push_front(reference);
        }
        owed.until = now + WITHIN;
        self.bound(conversation, now);
    }

    /// This send was not admitted. One that was waited for keeps its place.
    pub(super) fn refused(
        &mut self,
        conversation: ConversationId,
        reference: Reference,
        now: Duration,
    ) {
        let owed = self.owed(conversation, now);
        if !owed.references.contains(&reference) {
            owed.references.push_back(reference);
        }
        self.bound(conversation, now);
    }

    fn owed(&mut self, conversation: ConversationId, now: Duration) -> &mut Repetitions {
        self.conversations.retain(|_, owed| owed.until > now);
        let new = || Repetitions { references: VecDeque::new(), until: now + WITHIN };
        self.conversations.entry(conversation).or_insert_with(new)
    }

    /// Forgets what is too much, the conversation's last first.
    fn bound(&mut self, conversation: ConversationId, now: Duration) {
        let all: usize = self.conversations.values().map(|owed| owed.references.len()).sum();
        let over = all.saturating_sub(MOST);
        if over == 0 {
            return;
        }
        if let Some(owed) = self.conversations.get_mut(&conversation) {
            owed.references.truncate(owed.references.len().saturating_sub(over));
            if owed.references.is_empty() {
                self.conversations.remove(&conversation);
            }
        }
        if self.forgetful.is_none_or(|until| until <= now) {
            self.forgetful = Some(now + WITHIN);
        }
    }

    /// May this send be stored now? Not while an earlier one is waited for.
    pub(super) fn admits(
        &mut self,
        conversation: ConversationId,
        reference: &Reference,
        now: Duration,
    ) -> bool {
        let Some(owed) = self.conversations.get_mut(&conversation).filter(|owed| owed.until > now)
        else {
            self.conversations.remove(&conversation);
            self.forgetful.take_if(|until| *until <= now);
            return self.forgetful.is_none();
        };
        if owed.references.front() != Some(reference) {
            return false;
        }
        owed.references.pop_front();
        owed.until = now + WITHIN;
        if owed.references.is_empty() {
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

    fn admits(owed: &mut Owed, name: &str, seconds: u64) -> bool {
        owed.admits(conversation(), &reference(name), Duration::from_secs(seconds))
    }

    #[test]
    fn what_fails_again_still_comes_before_what_is_waited_for() {
        let mut owed = owing(&["r1", "r2"]);
        assert!(admits(&mut owed, "r1", 1));
        owed.failed(conversation(), [reference("r1")].into_iter(), Duration::from_secs(2));
        owed.refused(conversation(), reference("r3"), Duration::from_secs(2));
        let waited: Vec<_> =
            owed.conversations[&conversation()].references.iter().map(Reference::as_str).collect();
        assert_eq!(waited, ["r1", "r2", "r3"]);
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

    #[test]
    fn a_repetition_that_does_not_come_is_given_up() {
        let mut owed = owing(&["r1", "r2"]);
        assert!(!admits(&mut owed, "r3", 4));
        assert!(admits(&mut owed, "r1", 4));
        assert!(!admits(&mut owed, "r3", 8));
        assert!(admits(&mut owed, "r3", 9));
        assert!(owed.conversations.is_empty());
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
        assert_eq!(owed.conversations[&conversation()].references.len(), MOST);
        for name in &names[..MOST] {
            assert!(admits(&mut owed, name, 1), "{name}");
        }
        assert!(!admits(&mut owed, "new", 4));
        assert!(!owed.is_empty());
        assert!(admits(&mut owed, "new", 5));
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
