//! How many pods each revision of the gateways has. A rollout is a scale-out of the new revision and a
//! scale-in of the old ones, and every scale-in keeps to one budget: the connections on gateways that
//! are letting go of their clients stay below what these can let go of before they are ended.
//!
//! Pure, and without memory: the next decision follows from what is seen.

/// What is seen, and what is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet {
    /// The wanted revision.
    pub(crate) revision: String,
    /// How many gateways there should be.
    pub(crate) replicas: u32,
    /// Connections that draining gateways can let go of before they are ended: rate × timeout.
    pub(crate) budget: u64,
    /// All revisions that are there.
    pub(crate) sets: Vec<Set>,
}

/// A revision's pods.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set {
    pub(crate) revision: String,
    /// How many it was told to have.
    pub(crate) wanted: u32,
    pub(crate) pods: Vec<Gateway>,
}

/// A gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) ready: bool,
    /// It was told to stop, and may still hold clients.
    pub(crate) stopping: bool,
    /// Marked to go first when its set shrinks.
    pub(crate) marked: bool,
    /// How many clients it holds, as far as it was asked and answered.
    pub(crate) connections: Option<u64>,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// How many pods each revision should have, the wanted one included.
    pub(crate) sizes: Vec<(String, u32)>,
    /// Pods to be marked. Their sets shrink when the marks are seen, and not before: a ReplicaSet that
    /// has not heard of them would end others.
    pub(crate) marks: Vec<String>,
    /// Whether more gateways may be told to stop now.
    pub(crate) may_stop: bool,
    /// Old revisions are still there, or the number is not yet right.
    pub(crate) rolling: bool,
}

/// The next step.
pub(crate) fn decide(fleet: &Fleet) -> Decision {
    let spent = fleet.spent();
    let mut left = fleet.budget.saturating_sub(spent);
    let mut decision = Decision { may_stop: left > 0, ..Decision::default() };
    let current = fleet.sets.iter().find(|set| set.revision == fleet.revision);
    let old: Vec<_> = fleet.sets.iter().filter(|set| set.revision != fleet.revision).collect();
    decision.rolling = !old.is_empty() || current.is_none_or(|set| set.wanted != fleet.replicas);

    // Each gateway that goes takes from the budget; one may always go while nobody else is going.
    let mut may_go = |gateway: &Gateway| {
        let cost = gateway.connections.unwrap_or(u64::MAX);
        let alone = left == fleet.budget;
        let may = left > 0 && (cost <= left || alone);
        left = if may { left.saturating_sub(cost) } else { left };
        may
    };

    let grown = fleet.grown();
    let shrinks = current.is_some_and(|set| set.wanted > fleet.replicas);
    let mut spare = fleet.spare();
    let mut shrink = |set: &Set, at_most: u32, decision: &mut Decision| {
        let going = going(set, at_most, &mut spare, &mut may_go);
        decision.marks.extend(going.to_mark.iter().map(|pod| pod.name.clone()));
        decision.sizes.push((set.revision.clone(), set.wanted - going.now));
    };
    match current {
        Some(set) if shrinks => shrink(set, set.wanted - fleet.replicas, &mut decision),
        _ => decision.sizes.push((fleet.revision.clone(), grown)),
    }
    for set in old {
        shrink(set, set.wanted, &mut decision);
    }
    decision
}

impl Fleet {
    /// Whether gateways are letting go of their clients.
    pub(crate) fn is_draining(&self) -> bool {
        self.sets.iter().flat_map(|set| &set.pods).any(|pod| pod.stopping)
    }

    /// Clients on gateways that are stopping. One that does not answer is not counted: it is gone, or
    /// its node is, and waiting for it would end every rollout.
    fn spent(&self) -> u64 {
        let pods = self.sets.iter().flat_map(|set| &set.pods);
        pods.filter(|pod| pod.stopping).filter_map(|pod| pod.connections).sum()
    }

    /// How many pods the wanted revision may have now: as many as are wanted, but a quarter more than
    /// wanted in all, and never fewer than it has.
    fn grown(&self) -> u32 {
        let is_current = |set: &&Set| set.revision == self.revision;
        let has = self.sets.iter().find(is_current).map_or(0, |set| set.wanted);
        let old: u32 = self.sets.iter().filter(|set| !is_current(set)).map(|set| set.wanted).sum();
        let most = self.replicas + self.replicas.div_ceil(4);
        most.saturating_sub(old).clamp(has.min(self.replicas), self.replicas)
    }

    /// How many ready gateways there are beyond the wanted number.
    fn spare(&self) -> u32 {
        let active = self.sets.iter().flat_map(Set::active);
        (active.filter(|pod| pod.ready).count() as u32).saturating_sub(self.replicas)
    }
}

impl Set {
    fn active(&self) -> impl Iterator<Item = &Gateway> {
        self.pods.iter().filter(|pod| !pod.stopping)
    }
}

/// Who of a set goes.
struct Going<'a> {
    /// How many fewer pods the set has from now on.
    now: u32,
    /// Pods that go when they are seen to be marked.
    to_mark: Vec<&'a Gateway>,
}

/// Who of a set goes: first pods that do not exist, then those that serve nobody, as Deployments have it,
/// then those that can be spared, the emptiest first. Nobody while there are more pods than the set was
/// told to have: what is seen is from before.
fn going<'a>(
    set: &'a Set,
    at_most: u32,
    spare: &mut u32,
    may_go: &mut impl FnMut(&Gateway) -> bool,
) -> Going<'a> {
    let mut pods: Vec<_> = set.active().collect();
    let Some(missing) = set.wanted.checked_sub(pods.len() as u32) else {
        return Going { now: 0, to_mark: Vec::new() };
    };
    let missing = missing.min(at_most);
    pods.sort_by_key(|pod| (pod.ready, !pod.marked, pod.connections.unwrap_or(u64::MAX)));
    let spared = |pod: &&Gateway| {
        let goes = !pod.ready || (*spare > 0 && may_go(pod));
        *spare -= u32::from(goes && pod.ready);
        goes
    };
    let going: Vec<_> =
        pods.into_iter().filter(spared).take((at_most - missing) as usize).collect();
    let to_mark: Vec<_> = going.iter().copied().filter(|pod| !pod.marked).collect();
    let now = if to_mark.is_empty() { missing + going.len() as u32 } else { missing };
    Going { now, to_mark }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(name: &str, connections: u64) -> Gateway {
        Gateway {
            name: name.into(),
            ready: true,
            connections: Some(connections),
            ..Gateway::default()
        }
    }

    fn set(revision: &str, pods: Vec<Gateway>) -> Set {
        Set { revision: revision.into(), wanted: pods.len() as u32, pods }
    }

    fn fleet(replicas: u32, sets: Vec<Set>) -> Fleet {
        Fleet { revision: "new".into(), replicas, budget: 1000, sets }
    }

    fn sizes(decision: &Decision) -> Vec<(&str, u32)> {
        decision.sizes.iter().map(|(revision, size)| (revision.as_str(), *size)).collect()
    }

    #[test]
    fn the_first_revision_gets_all_pods_at_once() {
        let decision = decide(&fleet(3, vec![]));
        assert_eq!(sizes(&decision), [("new", 3)]);
        assert!(decision.rolling && decision.may_stop);
    }

    #[test]
    fn nothing_changes_when_all_is_as_wanted() {
        let decision = decide(&fleet(2, vec![set("new", vec![gateway("a", 5), gateway("b", 7)])]));
        assert_eq!(sizes(&decision), [("new", 2)]);
        assert!(!decision.rolling && decision.marks.is_empty());
    }

    #[test]
    fn a_scale_in_marks_the_emptiest_first_and_shrinks_when_the_marks_are_seen() {
        let pods = vec![gateway("a", 500), gateway("b", 3), gateway("c", 400), gateway("d", 8)];
        let mut fleet = fleet(2, vec![set("new", pods)]);
        let decision = decide(&fleet);
        assert_eq!(decision.marks, ["b", "d"]);
        assert_eq!(sizes(&decision), [("new", 4)]);

        for index in [1, 3] {
            fleet.sets[0].pods[index].marked = true;
        }
        let decision = decide(&fleet);
        assert_eq!(decision.marks, Vec::<String>::new());
        assert_eq!(sizes(&decision), [("new", 2)]);
    }

    #[test]
    fn what_is_seen_from_before_a_scale_in_causes_no_second_one() {
        let mut fleet = fleet(
            2,
            vec![
                set("old", vec![gateway("a", 1), gateway("b", 1)]),
                set("new", vec![gateway("c", 1), gateway("d", 1)]),
            ],
        );
        fleet.sets[0].pods[0].marked = true;
        fleet.sets[0].wanted = 1;
        assert_eq!(sizes(&decide(&fleet)), [("new", 2), ("old", 1)]);
    }

    #[test]
    fn a_rollout_adds_a_quarter_and_ends_old_ones_as_new_ones_get_ready() {
        let old = (0..4).map(|n| gateway(&format!("old-{n}"), 10)).collect();
        let mut fleet = fleet(4, vec![set("old", old)]);
        assert_eq!(sizes(&decide(&fleet)), [("new", 1), ("old", 4)]);

        fleet.sets.push(set("new", vec![Gateway { ready: false, ..gateway("n", 0) }]));
        let waits = decide(&fleet);
        assert_eq!((sizes(&waits), waits.marks.len()), (vec![("new", 1), ("old", 4)], 0));

        fleet.sets[1].pods[0].ready = true;
        assert_eq!(decide(&fleet).marks, ["old-0"]);
        fleet.sets[0].pods[0].marked = true;
        assert_eq!(sizes(&decide(&fleet)), [("new", 1), ("old", 3)]);
    }

    #[test]
    fn gateways_that_stop_together_hold_no_more_clients_than_they_can_let_go_of() {
        let pods = vec![gateway("a", 600), gateway("b", 600), gateway("c", 600), gateway("d", 0)];
        let mut fleet = fleet(1, vec![set("new", pods)]);
        assert_eq!(decide(&fleet).marks, ["d", "a"]);

        let stopping = |pod: &mut Gateway| pod.stopping = true;
        fleet.sets[0].pods.iter_mut().filter(|pod| pod.name == "a").for_each(stopping);
        fleet.sets[0].pods.retain(|pod| pod.name != "d");
        fleet.sets[0].wanted = 2;
        let decision = decide(&fleet);
        assert!(decision.marks.is_empty() && decision.may_stop, "600 of 1000 are under way");
        fleet.budget = 600;
        assert!(!decide(&fleet).may_stop);
    }

    #[test]
    fn a_gateway_with_more_clients_than_the_budget_goes_alone() {
        let fleet = fleet(1, vec![set("new", vec![gateway("a", 5000), gateway("b", 6000)])]);
        assert_eq!(decide(&fleet).marks, ["a"]);
    }

    #[test]
    fn one_that_does_not_answer_goes_alone_and_last() {
        let silent = Gateway { connections: None, ..gateway("silent", 0) };
        let pods = vec![silent, gateway("a", 10), gateway("b", 20)];
        assert_eq!(decide(&fleet(1, vec![set("new", pods.clone())])).marks, ["a", "b"]);
        assert_eq!(decide(&fleet(0, vec![set("new", pods)])).marks, ["a", "b"]);
        let silent = Gateway { connections: None, ..gateway("silent", 0) };
        assert_eq!(decide(&fleet(0, vec![set("new", vec![silent])])).marks, ["silent"]);
    }

    #[test]
    fn one_that_was_marked_goes_even_if_another_is_emptier_by_now() {
        let marked = Gateway { marked: true, ..gateway("marked", 9) };
        let decision = decide(&fleet(1, vec![set("new", vec![gateway("a", 5), marked])]));
        assert_eq!(sizes(&decision), [("new", 1)]);
        assert!(decision.marks.is_empty(), "{decision:?}");
    }

    #[test]
    fn a_revision_that_is_wanted_again_keeps_what_it_has() {
        let other = (0..3).map(|n| gateway(&format!("other-{n}"), 10)).collect();
        let new = vec![gateway("a", 10), gateway("b", 10), gateway("c", 10)];
        let fleet = fleet(4, vec![set("other", other), set("new", new)]);
        assert_eq!(sizes(&decide(&fleet)), [("new", 3), ("other", 3)]);
    }

    #[test]
    fn a_revision_that_never_gets_ready_is_replaced_and_costs_no_old_gateway() {
        let broken = Gateway { ready: false, ..gateway("broken", 0) };
        let mut fleet = fleet(
            2,
            vec![set("old", vec![gateway("a", 1), gateway("b", 1)]), set("bad", vec![broken])],
        );
        assert_eq!(decide(&fleet).marks, ["broken"]);
        fleet.sets[1].pods[0].marked = true;
        assert_eq!(sizes(&decide(&fleet)), [("new", 0), ("old", 2), ("bad", 0)]);
        fleet.sets.pop();
        assert_eq!(sizes(&decide(&fleet)), [("new", 1), ("old", 2)]);
    }

    #[test]
    fn pods_that_cannot_be_made_hold_up_no_rollout() {
        let mut fleet = fleet(2, vec![set("old", vec![]), set("new", vec![gateway("a", 0)])]);
        fleet.sets[0].wanted = 2;
        assert_eq!(sizes(&decide(&fleet)), [("new", 1), ("old", 0)]);
    }
}
