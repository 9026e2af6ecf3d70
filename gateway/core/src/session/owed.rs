//! Sends that failed and that the client will send again (rule 9).
//!
//! A client pipelines: when one send fails, later ones of the conversation may be on the wire already.
//! Were they stored, they would have lower ids than the repetition of the one that failed. So they fail
//! too, until the client has sent again what it was told to.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use chatcluster_protocol::{
    id::{ConversationId, Reference},
    limits::SENDS_IN_FLIGHT,
};

/// How long a repetition is waited for. Clients are told to repeat after a second; one that gives a
/// message up, or repeats it under another reference, is kept from sending for no longer than this.
const WITHIN: Duration = Duration::from_secs(5);

/// References that are waited for in one conversation; of more, the last are not remembered.
const MOST: usize = SENDS_IN_FLIGHT;

/// Per conversation what failed, in the order sent. Empty but for seconds after a failure.
#[derive(Debug, Default)]
pub(super) struct Owed(BTreeMap<ConversationId, Repetitions>);

#[derive(Debug)]
struct Repetitions {
    references: VecDeque<Reference>,
    until: Duration,
}

impl Owed {
    /// Nothing is waited for, or has been until lately.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
            owed.push_front(reference);
        }
        owed.truncate(MOST);
    }

    /// This send was not admitted.
    pub(super) fn refused(
        &mut self,
        conversation: ConversationId,
        reference: Reference,
        now: Duration,
    ) {
        let owed = self.owed(conversation, now);
        if owed.len() < MOST {
            owed.push_back(reference);
        }
    }

    fn owed(&mut self, conversation: ConversationId, now: Duration) -> &mut VecDeque<Reference> {
        self.0.retain(|_, owed| owed.until > now);
        let until = now + WITHIN;
        let new = || Repetitions { references: VecDeque::new(), until };
        &mut self.0.entry(conversation).or_insert_with(new).references
    }

    /// May this send be stored now? Not while an earlier one is waited for. A repetition may, and then
    /// those before it are no longer waited for: the client has passed them over.
    pub(super) fn admits(
        &mut self,
        conversation: ConversationId,
        reference: &Reference,
        now: Duration,
    ) -> bool {
        let Some(owed) = self.0.get_mut(&conversation) else { return true };
        let repeated = owed.references.iter().position(|failed| failed == reference);
        if let Some(place) = repeated {
            owed.references.drain(..=place);
        }
        let admitted = repeated.is_some() || owed.until <= now;
        if owed.references.is_empty() || owed.until <= now {
            self.0.remove(&conversation);
        }
        admitted
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
            owed.0[&conversation()].references.iter().map(Reference::as_str).collect();
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
    fn what_the_client_passes_over_is_not_waited_for() {
        let mut owed = owing(&["r1", "r2", "r3"]);
        assert!(admits(&mut owed, "r2", 1));
        assert!(!admits(&mut owed, "r4", 1));
        assert!(admits(&mut owed, "r3", 1));
        assert!(admits(&mut owed, "r4", 1));
    }

    #[test]
    fn a_repetition_that_does_not_come_is_given_up() {
        let mut owed = owing(&["r1"]);
        assert!(!admits(&mut owed, "r2", 4));
        assert!(admits(&mut owed, "r2", 5));
        assert!(owed.0.is_empty());
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
    fn no_more_is_kept_than_a_client_may_have_on_the_wire() {
        let names: Vec<_> = (0..200).map(|n| format!("r{n}")).collect();
        let owed = owing(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(owed.0[&conversation()].references.len(), MOST);
    }
}
