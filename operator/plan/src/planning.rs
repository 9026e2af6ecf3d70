//! The plan: the first thing that is not as it should be, and the step that mends it.

use crate::{
    Slots,
    facts::{Facts, Living},
    invariant::broken_by,
    picture::{Goal, Picture, Role},
    step::{Awaited, NoVote, Step},
};

/// The next step towards the goal, or `None` when the cluster is as it should be.
pub fn plan(picture: &Picture, goal: &Goal) -> Option<Step> {
    let facts = Facts::of(picture);
    // The order matters. A replica's copy is saved before anything is dropped; the dead are forgotten
    // before strangers come in, so that these never hear of them; all know each other before slots are
    // given out, so that every claim on them is seen.
    let step = too_few(picture, goal)
        .or_else(|| take_over(&facts))
        .or_else(|| forget(&facts))
        .or_else(|| meet(&facts))
        .or_else(|| replicate(&facts))
        .or_else(|| add_slots(&facts, goal))
        .or_else(|| settle(&facts))?;
    match broken_by(&step, picture) {
        Some(invariant) => Some(Step::Wait(Awaited::Safety(invariant))),
        None => Some(step),
    }
}

fn too_few(picture: &Picture, goal: &Goal) -> Option<Step> {
    let (found, needed) = (picture.members.len(), goal.shards * (1 + goal.replicas));
    (found < needed).then_some(Step::Wait(Awaited::Members { found, needed }))
}

/// A replica whose master is gone, or lost together with the majority, while nobody living has the shard:
/// of several, the one with the freshest copy. One shard at a time, since the first new master may be
/// what a vote on the others lacks.
fn take_over(facts: &Facts<'_>) -> Option<Step> {
    let orphan = |living: &Living<'_>, because| match &living.myself.role {
        Role::Replica(from) if facts.owner(living.member.shard).is_none() => {
            let lost = match because {
                NoVote::Gone => facts.gone.contains(from),
                NoVote::MajorityLost => facts.no_vote_on(from),
            };
            lost.then(|| from.clone())
        }
        _ => None,
    };
    let step = |because| {
        let orphans = facts.living.iter().filter_map(|it| Some((it, orphan(it, because)?)));
        let mut orphans: Vec<_> = orphans.collect();
        let first = orphans.first()?.1.clone();
        orphans.retain(|(_, from)| *from == first);
        // The first one of the freshest, as members are in order of preference.
        let (replica, from) = orphans.into_iter().rev().max_by_key(|(it, _)| it.view.offset)?;
        Some(Step::TakeOver { replica: replica.name(), from, because })
    };
    step(NoVote::Gone).or_else(|| step(NoVote::MajorityLost))
}

/// A node that is gone, at all who know it and do not follow it; those follow another first. Nobody
/// forgets it while a replica of it has what would be lost.
fn forget(facts: &Facts<'_>) -> Option<Step> {
    facts.gone.iter().filter(|node| !facts.has_heir(node)).find_map(|node| {
        let knows = |living: &&Living<'_>| living.knows(node) && !living.follows(node);
        let at: Vec<_> = facts.living.iter().filter(knows).map(Living::name).collect();
        (!at.is_empty()).then(|| Step::Forget { node: (*node).clone(), at })
    })
}

/// Members that do not know each other. One of them introduces all others, gossip does the rest.
fn meet(facts: &Facts<'_>) -> Option<Step> {
    let with_slots = facts.living.iter().find(|living| !living.owns().is_empty());
    let host = with_slots.or(facts.living.first())?;
    for guest in facts.living.iter().filter(|guest| guest.id() != host.id()) {
        if host.knows(guest.id()) && guest.knows(host.id()) {
            continue;
        }
        if !host.owns().intersection(guest.owns()).is_empty() {
            let (one, other) = (host.name(), guest.name());
            return Some(Step::Wait(Awaited::OneCluster { one, other }));
        }
        return Some(Step::Meet { at: host.name(), other: guest.name() });
    }
    let ids: Vec<_> = facts.living.iter().map(Living::id).collect();
    let behind = facts.living.iter().find(|living| !ids.iter().all(|id| living.knows(id)))?;
    Some(Step::Wait(Awaited::Agreement { member: behind.name() }))
}

/// A member without slots that does not follow its shard's master.
fn replicate(facts: &Facts<'_>) -> Option<Step> {
    facts.living.iter().find_map(|living| {
        let master = facts.owner(living.member.shard)?;
        let idle = living.id() != master.id() && living.owns().is_empty();
        (idle && !living.follows(master.id()))
            .then(|| Step::Replicate { replica: living.name(), master: master.id().clone() })
    })
}

/// Slots that nobody has, for the master of the shard whose part they are.
fn add_slots(facts: &Facts<'_>, goal: &Goal) -> Option<Step> {
    let free = Slots::all().without(&facts.owned().union(&facts.owned_unheard()));
    if free.is_empty() {
        return None;
    }
    let part = |shard| free.intersection(&Slots::part(shard, goal.shards));
    (0..goal.shards).filter(|shard| !part(*shard).is_empty()).find_map(|shard| {
        if let Some(silent) = facts.may_own(shard) {
            return Some(Step::Wait(Awaited::Answer { member: silent.name.clone() }));
        }
        let of_shard = |living: &&Living<'_>| living.member.shard == shard && living.is_master();
        let to = facts.owner(shard).or_else(|| facts.living.iter().find(of_shard).copied())?;
        Some(Step::AddSlots { to: to.name(), slots: part(shard) })
    })
}

/// Nothing is left to do; has everybody heard of it?
fn settle(facts: &Facts<'_>) -> Option<Step> {
    let silent = facts
        .picture
        .members
        .iter()
        .find(|member| !facts.living.iter().any(|living| living.member.name == member.name));
    if let Some(silent) = silent {
        return Some(Step::Wait(Awaited::Answer { member: silent.name.clone() }));
    }
    let slots = Slots::all().without(&facts.owned());
    if !slots.is_empty() {
        return Some(Step::Wait(Awaited::Owner { slots }));
    }
    let behind = facts.living.iter().find(|living| {
        let as_told = facts.living.iter().all(|other| {
            let told = living.view.of(other.id());
            told.is_some_and(|told| !told.failing && told.slots == other.myself.slots)
        });
        !(as_told && living.view.ok)
    });
    behind.map(|behind| Step::Wait(Awaited::Agreement { member: behind.name() }))
}
