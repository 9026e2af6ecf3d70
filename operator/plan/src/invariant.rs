//! What must never happen, whatever the plan thinks.

use std::fmt;

use crate::{
    facts::Facts,
    picture::Picture,
    step::{NoVote, Step},
};

/// A rule that no step may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// Slots that a living node owns, or one that may live, are not given to another.
    SlotsKeepTheirOwner,
    /// While a member of a shard is silent, the shard's slots are not given to another: it may own
    /// them and be the only one to know. While one is silent that nobody has met, no first slots are
    /// given out at all.
    TheSilentMayOwn,
    /// A node is forgotten only when another one runs in its place, or none.
    OnlyTheGoneAreForgotten,
    /// What has a living replica is not forgotten before the replica has taken over.
    ReplicasComeFirst,
    /// Only a master is taken over from that is gone or lost with the majority, and by its own replica.
    OnlyTheGoneAreTakenOver,
    /// A master that may be there is taken over from only when no vote can be held: it owns slots, every
    /// living member that knows it holds it for failing, and none of them sees a majority of masters
    /// that live.
    TheVoteComesFirst,
    /// A member with slots does not become a replica.
    OwnersDoNotFollow,
    /// Clusters that own the same slots are not joined.
    ClustersAreNotMixed,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SlotsKeepTheirOwner => "slots of a living node are not given to another",
            Self::TheSilentMayOwn => "slots that a silent member may own are not given to another",
            Self::OnlyTheGoneAreForgotten => "only nodes that are gone are forgotten",
            Self::ReplicasComeFirst => "a node with a living replica is not forgotten",
            Self::OnlyTheGoneAreTakenOver => {
                "only masters that are gone or lost are taken over from, by their replicas"
            }
            Self::TheVoteComesFirst => "while masters can vote, a silent one is left to their vote",
            Self::OwnersDoNotFollow => "a member with slots does not become a replica",
            Self::ClustersAreNotMixed => "clusters that own the same slots are not joined",
        })
    }
}

/// The invariant that a step would break in this picture, if any.
pub fn broken_by(step: &Step, picture: &Picture) -> Option<Invariant> {
    use Invariant::*;
    let facts = Facts::of(picture);
    let living = |name: &String| facts.living.iter().find(|living| living.member.name == *name);
    let rules: Vec<(bool, Invariant)> = match step {
        Step::AddSlots { to, slots } => {
            let taken = facts.owned().union(&facts.owned_unheard());
            let master = living(to).filter(|to| to.is_master());
            let silent = master.and_then(|to| facts.may_own(to.member.shard));
            let free = slots.intersection(&taken).is_empty();
            vec![
                (master.is_some() && free, SlotsKeepTheirOwner),
                (silent.is_none(), TheSilentMayOwn),
            ]
        }
        Step::Forget { node, at } => {
            let follows = |name| living(name).is_some_and(|living| living.follows(node));
            let replica = facts.has_heir(node) || at.iter().any(follows);
            vec![
                (facts.gone.contains(node), OnlyTheGoneAreForgotten),
                (!replica, ReplicasComeFirst),
            ]
        }
        Step::TakeOver { replica, from, because } => {
            let follows = living(replica).is_some_and(|replica| replica.follows(from));
            match because {
                NoVote::Gone => {
                    vec![(follows && facts.gone.contains(from), OnlyTheGoneAreTakenOver)]
                }
                NoVote::MajorityLost => vec![
                    (follows && !facts.lives(from), OnlyTheGoneAreTakenOver),
                    (facts.no_vote_on(from), TheVoteComesFirst),
                ],
            }
        }
        Step::Replicate { replica, .. } => {
            let empty = living(replica).is_some_and(|replica| replica.owns().is_empty());
            vec![(empty, OwnersDoNotFollow)]
        }
        Step::Meet { at, other } => {
            let both = living(at).zip(living(other));
            let apart =
                both.is_some_and(|(at, other)| at.owns().intersection(other.owns()).is_empty());
            vec![(apart, ClustersAreNotMixed)]
        }
        Step::Wait(_) => Vec::new(),
    };
    rules.into_iter().find(|(holds, _)| !holds).map(|(_, invariant)| invariant)
}
