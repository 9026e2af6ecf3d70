//! How far a device's messages in a conversation have moved up.

use chatcluster_protocol::id::{MessageId, Reference};
use serde::{Deserialize, Serialize};

use super::Id;

/// The two highest ids that messages have moved up to, each with its message's reference. A message follows
/// the others and not itself: for the one that is highest, the other one is here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moved(Vec<(Id, Reference)>);

impl Moved {
    /// A message has moved up to this id.
    pub fn to(id: MessageId, reference: Reference) -> Self {
        Self(vec![(Id(id), reference)])
    }

    /// What both know.
    pub fn joined(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.0.sort_unstable_by(|a, b| b.cmp(a));
        if let Some((_, highest)) = self.0.first().cloned() {
            let mut at = 0..;
            self.0.retain(|(_, reference)| at.next() == Some(0) || *reference != highest);
        }
        self.0.truncate(2);
        self
    }

    /// Whether a message has moved up to this id.
    pub fn has(&self, id: MessageId, reference: &Reference) -> bool {
        self.0.iter().any(|(Id(moved), of)| *moved == id && of == reference)
    }

    /// How far other messages than this one have moved.
    pub fn of_others(&self, reference: &Reference) -> Option<MessageId> {
        let mut others = self.0.iter().filter(|(_, moved)| moved != reference);
        others.next().map(|(Id(id), _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moved(moves: &[(u64, u8)]) -> Moved {
        let one = |(id, reference): &(u64, u8)| {
            Moved::to(MessageId::floor(*id), Reference::new(format!("r{reference}")).unwrap())
        };
        moves.iter().map(one).fold(Moved::default(), Moved::joined)
    }

    proptest! {
        /// Whatever came in which order: each message is told the highest id of the others.
        #[test]
        fn each_message_is_told_how_far_the_others_have_moved(
            moves in prop::collection::vec((0u64..20, 0u8..4), 0..12),
            cut in 0usize..12,
        ) {
            let (some, others) = moves.split_at(cut.min(moves.len()));
            let both = moved(some).joined(moved(others));
            prop_assert_eq!(&both, &moved(others).joined(moved(some)));
            for reference in 0..5 {
                let others = moves.iter().filter(|(_, moved)| *moved != reference);
                let highest = others.map(|(id, _)| MessageId::floor(*id)).max();
                let reference = Reference::new(format!("r{reference}")).unwrap();
                prop_assert_eq!(both.of_others(&reference), highest);
            }
        }
    }
}
