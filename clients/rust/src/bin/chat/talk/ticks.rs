//! How far each message of this run has come: being sent, stored, delivered, read.

use std::collections::{HashMap, VecDeque};

use chatcluster_client::protocol::{
    client::{Receipt, ReceiptKind, Sent},
    id::{ConversationId, MessageId, Reference},
};

/// Messages that are not read yet. Of older ones this screen tells nothing more.
const STORED: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Ticks {
    sending: Vec<Sending>,
    stored: VecDeque<Stored>,
    /// How far each conversation is delivered and read: a receipt can be faster than the answer to the send
    /// that it is about.
    reach: HashMap<ConversationId, Reach>,
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

#[derive(Debug, Default)]
struct Reach {
    delivered: Option<MessageId>,
    read: Option<MessageId>,
}

/// What a receipt is the first to tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These messages are delivered.
    Delivered(Vec<String>),
    /// This one is read, and all before it.
    Read(String),
    /// Nothing about messages of this run.
    None,
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
    delivered: bool,
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
        let reach = self.reach.entry(conversation).or_default();
        let read = reach.read >= Some(message);
        let delivered = read || reach.delivered >= Some(message);
        if !read {
            let snippet = snippet.clone();
            self.stored.push_back(Stored { message, conversation, snippet, delivered });
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

    /// Somebody else has received or read what was sent in this run.
    pub(super) fn receipt(&mut self, receipt: &Receipt) -> News {
        if self.reach.len() >= STORED {
            self.reach.clear();
        }
        let reach = self.reach.entry(receipt.conversation).or_default();
        let up_to = Some(receipt.up_to);
        let covered = |stored: &Stored| {
            stored.conversation == receipt.conversation && stored.message <= receipt.up_to
        };
        match receipt.kind {
            ReceiptKind::Delivered => {
                reach.delivered = reach.delivered.max(up_to);
                let fresh = self.stored.iter_mut().filter(|one| covered(one) && !one.delivered);
                News::Delivered(
                    fresh
                        .map(|one| {
                            one.delivered = true;
                            one.snippet.clone()
                        })
                        .collect(),
                )
            }
            ReceiptKind::Read => {
                reach.read = reach.read.max(up_to);
                let (read, rest) = std::mem::take(&mut self.stored).into_iter().partition(covered);
                self.stored = rest;
                let read: VecDeque<Stored> = read;
                read.into_iter().next_back().map_or(News::None, |last| News::Read(last.snippet))
            }
            ReceiptKind::Other => News::None,
        }
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

    fn receipt(kind: ReceiptKind, up_to: u64) -> Receipt {
        Receipt {
            receipt: MessageId::floor(up_to),
            kind,
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

    fn delivered(ticks: &mut Ticks, up_to: u64) -> Vec<String> {
        match ticks.receipt(&receipt(ReceiptKind::Delivered, up_to)) {
            News::Delivered(snippets) => snippets,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_receipt_covers_all_that_was_sent_before_it_once() {
        let mut ticks = sending(&["a", "b", "c"]);
        for (name, millis) in [("a", 1), ("b", 2), ("c", 3)] {
            assert!(!ticks.sent(&reference(name), &sent(name, millis)).unwrap().delivered);
        }
        assert_eq!(delivered(&mut ticks, 2), ["a", "b"]);
        assert_eq!(delivered(&mut ticks, 2), [""; 0]);
        assert_eq!(delivered(&mut ticks, 3), ["c"]);
        let read = receipt(ReceiptKind::Read, 2);
        assert_eq!(ticks.receipt(&read), News::Read("b".into()));
        assert_eq!(ticks.receipt(&read), News::None);
    }

    #[test]
    fn what_is_read_is_not_told_to_be_delivered_after() {
        let mut ticks = sending(&["a"]);
        ticks.sent(&reference("a"), &sent("a", 1));
        assert_eq!(ticks.receipt(&receipt(ReceiptKind::Read, 1)), News::Read("a".into()));
        assert_eq!(delivered(&mut ticks, 1), [""; 0]);
    }

    #[test]
    fn a_receipt_that_is_faster_than_the_answer_counts() {
        for kind in [ReceiptKind::Delivered, ReceiptKind::Read] {
            let mut ticks = sending(&["a"]);
            ticks.receipt(&receipt(kind, 1));
            let outcome = ticks.sent(&reference("a"), &sent("a", 1));
            assert_eq!(outcome, Some(Outcome { snippet: "a".into(), delivered: true }));
        }
    }

    #[test]
    fn only_a_slow_send_is_shown_as_being_sent_and_only_once() {
        let mut ticks = sending(&["a"]);
        assert_eq!(ticks.slow(), [""; 0]);
        assert_eq!(ticks.slow(), ["a"]);
        assert_eq!(ticks.slow(), [""; 0]);
    }
}
