//! How far each message of this run has come: being sent, stored, delivered.

use std::collections::{HashMap, VecDeque};

use chatcluster_client::protocol::{
    client::{Receipt, ReceiptKind, Sent},
    id::{ConversationId, MessageId, Reference},
};

/// Messages whose delivery is still awaited. Older ones get no second tick on this screen.
const STORED: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Ticks {
    sending: Vec<Sending>,
    stored: VecDeque<Stored>,
    /// How far each conversation is delivered: a receipt can be faster than the answer to the send
    /// that it is about.
    delivered: HashMap<ConversationId, MessageId>,
}

#[derive(Debug)]
struct Sending {
    reference: Reference,
    snippet: String,
    age: Age,
}

/// How long a message has been on its way, in looks at the clock.
#[derive(Debug, PartialEq, Eq)]
enum Age {
    New,
    Old,
    /// Shown as being sent.
    Shown,
}

/// A message that has its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) snippet: String,
    pub(super) delivered: bool,
}

#[derive(Debug)]
struct Stored {
    message: MessageId,
    conversation: ConversationId,
    snippet: String,
}

impl Ticks {
    pub(super) fn sending(&mut self, reference: Reference, snippet: String) {
        self.sending.push(Sending { reference, snippet, age: Age::New });
    }

    /// What has become slow since the last look: to be shown once as being sent.
    pub(super) fn slow(&mut self) -> Vec<String> {
        let mut slow = Vec::new();
        for sending in &mut self.sending {
            match sending.age {
                Age::New => sending.age = Age::Old,
                Age::Old => {
                    sending.age = Age::Shown;
                    slow.push(sending.snippet.clone());
                }
                Age::Shown => {}
            }
        }
        slow
    }

    pub(super) fn sent(&mut self, reference: &Reference, sent: &Sent) -> Option<Outcome> {
        let snippet = self.failed(reference)?;
        let (message, conversation) = (sent.message, sent.conversation);
        let delivered = self.delivered.get(&conversation).is_some_and(|up_to| *up_to >= message);
        if !delivered {
            self.stored.push_back(Stored { message, conversation, snippet: snippet.clone() });
        }
        if self.stored.len() > STORED {
            self.stored.pop_front();
        }
        Some(Outcome { snippet, delivered })
    }

    pub(super) fn failed(&mut self, reference: &Reference) -> Option<String> {
        let index = self.sending.iter().position(|sending| sending.reference == *reference)?;
        Some(self.sending.remove(index).snippet)
    }

    /// The messages that this receipt is the first to be about.
    pub(super) fn delivered(&mut self, receipt: &Receipt) -> Vec<String> {
        if receipt.kind != ReceiptKind::Delivered {
            return Vec::new();
        }
        if self.delivered.len() >= STORED {
            self.delivered.clear();
        }
        let up_to = self.delivered.entry(receipt.conversation).or_insert(receipt.up_to);
        *up_to = receipt.up_to.max(*up_to);
        let covered = |stored: &Stored| {
            stored.conversation == receipt.conversation && stored.message <= receipt.up_to
        };
        let (done, rest): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.stored).into_iter().partition(covered);
        self.stored = rest;
        done.into_iter().map(|stored| stored.snippet).collect()
    }
}

#[cfg(test)]
mod tests {
    use chatcluster_client::protocol::client::RequestId;

    use super::*;

    fn reference(name: &str) -> Reference {
        name.parse().unwrap()
    }

    fn sent(name: &str, millis: u64) -> Sent {
        Sent {
            id: RequestId::MAX,
            reference: reference(name),
            message: MessageId::floor(millis),
            conversation: ConversationId::from_bytes([0; 16]),
            at: millis,
        }
    }

    fn receipt(up_to: u64) -> Receipt {
        Receipt {
            receipt: MessageId::floor(up_to),
            kind: ReceiptKind::Delivered,
            conversation: ConversationId::from_bytes([0; 16]),
            user: "bob".parse().unwrap(),
            up_to: MessageId::floor(up_to),
            at: up_to,
        }
    }

    fn sending(names: &[&str]) -> Ticks {
        let mut ticks = Ticks::default();
        for name in names {
            ticks.sending(reference(name), (*name).to_owned());
        }
        ticks
    }

    #[test]
    fn a_receipt_covers_all_that_was_sent_before_it_once() {
        let mut ticks = sending(&["a", "b", "c"]);
        for (name, millis) in [("a", 1), ("b", 2), ("c", 3)] {
            assert!(!ticks.sent(&reference(name), &sent(name, millis)).unwrap().delivered);
        }
        assert_eq!(ticks.delivered(&receipt(2)), ["a", "b"]);
        assert_eq!(ticks.delivered(&receipt(2)), [""; 0]);
        assert_eq!(ticks.delivered(&receipt(3)), ["c"]);
    }

    #[test]
    fn a_receipt_that_is_faster_than_the_answer_counts() {
        let mut ticks = sending(&["a"]);
        assert_eq!(ticks.delivered(&receipt(1)), [""; 0]);
        let outcome = ticks.sent(&reference("a"), &sent("a", 1));
        assert_eq!(outcome, Some(Outcome { snippet: "a".into(), delivered: true }));
    }

    #[test]
    fn only_a_slow_send_is_shown_as_being_sent_and_only_once() {
        let mut ticks = sending(&["a"]);
        assert_eq!(ticks.slow(), [""; 0]);
        assert_eq!(ticks.slow(), ["a"]);
        assert_eq!(ticks.slow(), [""; 0]);
    }
}
