//! What follows from a picture: who lives, who is gone, who owns what.

use std::collections::BTreeSet;

use crate::{
    Slots,
    picture::{Known, Member, NodeId, Picture, Role, Seen, View},
};

/// A member that answers.
#[derive(Clone, Copy)]
pub(crate) struct Living<'a> {
    pub(crate) member: &'a Member,
    pub(crate) view: &'a View,
    pub(crate) myself: &'a Known,
}

impl<'a> Living<'a> {
    pub(crate) fn name(&self) -> String {
        self.member.name.clone()
    }

    pub(crate) fn id(&self) -> &'a NodeId {
        &self.view.me
    }

    /// The slots that it holds itself to be the master of. Nobody knows better what it serves.
    pub(crate) fn owns(&self) -> &'a Slots {
        &self.myself.slots
    }

    pub(crate) fn is_master(&self) -> bool {
        self.myself.role == Role::Master
    }

    pub(crate) fn follows(&self, id: &NodeId) -> bool {
        matches!(&self.myself.role, Role::Replica(master) if master == id)
    }

    pub(crate) fn knows(&self, id: &NodeId) -> bool {
        self.view.of(id).is_some()
    }
}

pub(crate) struct Facts<'a> {
    pub(crate) picture: &'a Picture,
    pub(crate) living: Vec<Living<'a>>,
    /// Nodes that somebody knows and that are no more.
    pub(crate) gone: BTreeSet<&'a NodeId>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(picture: &'a Picture) -> Self {
        let living: Vec<_> = picture
            .members
            .iter()
            .filter_map(|member| {
                let view = member.view()?;
                Some(Living { member, view, myself: view.myself()? })
            })
            .collect();
        let mut facts = Self { picture, living, gone: BTreeSet::new() };
        let known = facts.living.iter().flat_map(|living| &living.view.known);
        let ids: BTreeSet<_> =
            known.filter(|known| known.role != Role::Handshake).map(|known| &known.id).collect();
        facts.gone = ids.into_iter().filter(|id| facts.is_gone(id)).collect();
        facts
    }

    /// Whether a node is certainly no more: another one runs in its place, or none. That others hold it
    /// for failed proves nothing, since it may only be cut off.
    fn is_gone(&self, id: &NodeId) -> bool {
        if self.lives(id) {
            return false;
        }
        let seen: Vec<_> = self.living.iter().filter_map(|living| living.view.of(id)).collect();
        let at = |known: &&Known| self.picture.members.iter().find(|m| known.is_at(&m.place));
        let maybe_there = seen.iter().filter_map(at).any(|member| member.seen == Seen::Silent);
        let replaced = seen.iter().filter_map(at).any(|member| member.seen != Seen::Silent);
        let displaced = seen.iter().any(|known| known.displaced && known.hostname.is_none());
        !maybe_there && (replaced || displaced)
    }

    /// Whether a member with this id answers.
    pub(crate) fn lives(&self, id: &NodeId) -> bool {
        self.living.iter().any(|living| living.id() == id)
    }

    /// Whether the nodes cannot vote on this master, which does not answer: all who know it hold it for
    /// failing, and each sees too few masters that may live. Redis asks for a majority of the masters
    /// that have slots.
    pub(crate) fn no_vote_on(&self, id: &NodeId) -> bool {
        let mut knowing = self.living.iter().filter(|living| living.knows(id)).peekable();
        let lost = |known: &&Known| {
            let away = known.failing || known.displaced || self.gone.contains(&known.id);
            away && !self.lives(&known.id)
        };
        let no_vote = |living: &Living<'_>| {
            let owners = living.view.known.iter().filter(|known| !known.slots.is_empty());
            let (lost, rest): (Vec<_>, Vec<_>) = owners.partition(lost);
            lost.iter().any(|known| known.id == *id) && rest.len() <= lost.len()
        };
        knowing.peek().is_some() && knowing.all(no_vote)
    }

    /// The slots that somebody living owns, as it says itself.
    pub(crate) fn owned(&self) -> Slots {
        self.living.iter().map(Living::owns).collect()
    }

    /// The slots of nodes that do not answer and may be there all the same, as the others say.
    pub(crate) fn owned_unheard(&self) -> Slots {
        let known = self.living.iter().flat_map(|living| &living.view.known);
        let unheard = known.filter(|known| {
            known.role == Role::Master && !self.lives(&known.id) && !self.gone.contains(&known.id)
        });
        unheard.map(|known| &known.slots).collect()
    }

    /// The member that owns a shard's slots. Of two, the one with the newer claim: the other has not
    /// heard yet.
    pub(crate) fn owner(&self, shard: usize) -> Option<Living<'a>> {
        let of_shard = self.living.iter().filter(|living| living.member.shard == shard);
        let owners = of_shard.filter(|living| living.is_master() && !living.owns().is_empty());
        owners.max_by_key(|living| living.myself.epoch).copied()
    }

    /// Whether a living replica has a copy of slots that only this node, which is gone, is known to own.
    pub(crate) fn has_heir(&self, gone: &NodeId) -> bool {
        let shown = self.living.iter().filter_map(|living| living.view.of(gone));
        let owned = self.owned();
        let lost = shown.map(|known| known.slots.without(&owned)).any(|slots| !slots.is_empty());
        lost && self.living.iter().any(|living| living.follows(gone))
    }

    /// A silent member that may own slots of a shard without anybody having heard of it yet: one of
    /// the shard; or, as long as nobody owns anything, any that nobody has met, for it may belong to a
    /// cluster that exists.
    pub(crate) fn may_own(&self, shard: usize) -> Option<&'a Member> {
        let nothing_owned = self.owned().is_empty();
        self.picture.members.iter().filter(|member| member.seen == Seen::Silent).find(|member| {
            let known = self.living.iter().flat_map(|living| &living.view.known);
            let met = known.filter(|known| !known.displaced).any(|k| k.is_at(&member.place));
            member.shard == shard || (nothing_owned && !met)
        })
    }
}
