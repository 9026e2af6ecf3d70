//! What people are told: conditions with stable reasons, and figures. Pure. It decides nothing.

use chatcluster_crds::{ChatClusterStatus, GatewaysStatus, ManagerStatus};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::trouble::Trouble;

/// All that the status is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) generation: i64,
    pub(crate) paused: bool,
    /// Objects have just been changed: what is seen is from before.
    pub(crate) applying: bool,
    pub(crate) endpoint: String,
    pub(crate) gateways: Gateways,
    pub(crate) messages: Messages,
    pub(crate) manager: Manager,
    /// Newer images that the operator has and does not take by itself.
    pub(crate) newer: Vec<String>,
    /// What a person has to put right before anything else: Secrets, a refused object.
    pub(crate) blockers: Vec<Blocker>,
}

/// What a person has to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// The condition's reason.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// The gateways.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gateways {
    pub(crate) wanted: u32,
    pub(crate) active: u32,
    pub(crate) ready: u32,
    pub(crate) draining: u32,
    pub(crate) connections: u64,
    pub(crate) rolling: bool,
    pub(crate) selector: String,
    pub(crate) trouble: Option<Trouble>,
}

/// The message service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messages {
    pub(crate) ready: bool,
    /// The pod that runs is not yet of the wanted template.
    pub(crate) updating: bool,
    pub(crate) trouble: Option<Trouble>,
}

/// The WebSocket manager.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manager {
    pub(crate) shards: u32,
    pub(crate) shards_wanted: u32,
    pub(crate) slots_assigned: u32,
    /// What is being done or waited for; `None` when all is as it should be.
    pub(crate) step: Option<String>,
    pub(crate) trouble: Option<Trouble>,
}

/// All hash slots of a Redis Cluster.
const SLOTS: u32 = 16_384;

/// The new status; conditions that stay as they were keep their time.
pub(crate) fn status(
    facts: &Facts,
    old: Option<&ChatClusterStatus>,
    now: Timestamp,
) -> ChatClusterStatus {
    let Facts { gateways, manager, .. } = facts;
    let mut conditions = conditions(facts);
    for condition in &mut conditions {
        condition.last_transition_time = Time(now);
        condition.observed_generation = Some(facts.generation);
        let old = old.into_iter().flat_map(|old| &old.conditions);
        let before = old.into_iter().find(|old| old.type_ == condition.type_);
        if let Some(before) = before.filter(|before| before.status == condition.status) {
            condition.last_transition_time = before.last_transition_time.clone();
        }
    }
    ChatClusterStatus {
        conditions,
        endpoint: facts.endpoint.clone(),
        gateways: GatewaysStatus {
            replicas: gateways.active,
            ready: gateways.ready,
            connections: two_digits(gateways.connections),
            draining: gateways.draining,
            selector: gateways.selector.clone(),
        },
        manager: ManagerStatus { shards: manager.shards, slots_assigned: manager.slots_assigned },
    }
}

fn conditions(facts: &Facts) -> Vec<Condition> {
    let parts = [gateways(facts), manager(&facts.manager), messages(facts)];
    let [gateways, manager, messages] = parts.clone();
    vec![
        ready(&parts),
        progressing(facts),
        degraded(facts),
        gateways,
        manager,
        messages,
        update_available(&facts.newer),
    ]
}

/// All parts serve.
fn ready(parts: &[Condition]) -> Condition {
    match parts.iter().find(|part| part.status != "True") {
        None => {
            let messages: Vec<_> = parts.iter().map(|part| part.message.as_str()).collect();
            condition("Ready", true, "Ready", messages.join("; "))
        }
        Some(part) => {
            let reason = match part.type_.as_str() {
                "GatewaysReady" => "GatewaysNotReady",
                "ManagerReady" => "ManagerNotReady",
                _ => "MessagesNotReady",
            };
            condition("Ready", false, reason, part.message.clone())
        }
    }
}

/// Something is on its way to what the spec says.
fn progressing(facts: &Facts) -> Condition {
    let Facts { gateways, messages, manager, .. } = facts;
    let busy = |reason, message: String| condition("Progressing", true, reason, message);
    if facts.paused {
        let message = "paused: set spec.paused to false to go on";
        return condition("Progressing", false, "Paused", message.into());
    }
    if gateways.rolling {
        let Gateways { ready, wanted, .. } = gateways;
        return busy(
            "RollingOut",
            format!("gateways: {ready} ready of {wanted}, not all of them current"),
        );
    }
    if gateways.draining > 0 {
        let Gateways { draining, .. } = gateways;
        return busy("Draining", format!("gateways letting go of their clients: {draining}"));
    }
    if messages.updating {
        return busy("UpdatingMessages", "the message service restarts: sends wait".into());
    }
    if let Some(step) = &manager.step {
        return busy("TendingManager", format!("WebSocket manager: {step}"));
    }
    if facts.applying {
        return busy("Applying", "what was changed takes effect".into());
    }
    condition("Progressing", false, "Settled", "everything is as the spec says".into())
}

/// Something is wrong that a person should know of, and may have to put right.
fn degraded(facts: &Facts) -> Condition {
    if let Some(blocker) = facts.blockers.first() {
        return condition("Degraded", true, blocker.reason, blocker.message.clone());
    }
    let troubles = [&facts.messages.trouble, &facts.manager.trouble, &facts.gateways.trouble];
    match troubles.into_iter().flatten().min_by_key(|trouble| trouble.reason) {
        Some(trouble) => condition("Degraded", true, trouble.reason.as_str(), trouble.to_string()),
        None => condition("Degraded", false, "AsExpected", "nothing is wrong".into()),
    }
}

fn gateways(facts: &Facts) -> Condition {
    let Gateways { ready, wanted, trouble, .. } = &facts.gateways;
    let message = format!("gateways: {ready} ready of {wanted}");
    if ready >= wanted {
        return condition("GatewaysReady", true, "Ready", message);
    }
    let why = facts.blockers.first().map(|blocker| (blocker.reason, blocker.message.clone()));
    part("GatewaysReady", &message, why, trouble.as_ref())
}

fn messages(facts: &Facts) -> Condition {
    let Messages { ready, trouble, .. } = &facts.messages;
    if *ready {
        let message = "message service: ready".into();
        return condition("MessagesReady", true, "Ready", message);
    }
    let message = "message service: not ready, sends wait";
    let why = facts.blockers.first().map(|blocker| (blocker.reason, blocker.message.clone()));
    part("MessagesReady", message, why, trouble.as_ref())
}

fn manager(manager: &Manager) -> Condition {
    let Manager { shards, shards_wanted, slots_assigned, step, trouble } = manager;
    let message = format!(
        "WebSocket manager: {shards} of {shards_wanted} shards, {slots_assigned} of {SLOTS} slots"
    );
    if *slots_assigned == SLOTS && shards >= shards_wanted {
        return condition("ManagerReady", true, "Ready", message);
    }
    let why = step.clone().map(|step| ("Tending", step));
    part("ManagerReady", &message, why, trouble.as_ref())
}

/// A part that is not ready: for trouble, or for something else, or since it starts.
fn part(
    type_: &str,
    message: &str,
    why: Option<(&'static str, String)>,
    trouble: Option<&Trouble>,
) -> Condition {
    let trouble = trouble.map(|trouble| (trouble.reason.as_str(), trouble.to_string()));
    match trouble.or(why) {
        Some((reason, why)) => condition(type_, false, reason, format!("{message}: {why}")),
        None => condition(type_, false, "Starting", message.into()),
    }
}

fn update_available(newer: &[String]) -> Condition {
    match newer {
        [] => condition("UpdateAvailable", false, "UpToDate", "no newer image is known".into()),
        newer => {
            let message = format!(
                "newer: {}; set spec.image, or the image of the part, to take it",
                newer.join(", ")
            );
            condition("UpdateAvailable", true, "NewerImage", message)
        }
    }
}

/// Its time and generation are set later.
fn condition(type_: &str, status: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: type_.into(),
        status: if status { "True" } else { "False" }.into(),
        reason: reason.into(),
        // The most that a condition's message may be.
        message: message.chars().take(4096).collect(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// The first two digits: what changes every second would be written every second.
fn two_digits(number: u64) -> u32 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    u32::try_from(number / unit * unit).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::trouble::Reason;

    fn fine() -> Facts {
        Facts {
            generation: 3,
            gateways: Gateways { wanted: 2, active: 2, ready: 2, ..Gateways::default() },
            messages: Messages { ready: true, ..Messages::default() },
            manager: Manager {
                shards: 3,
                shards_wanted: 3,
                slots_assigned: SLOTS,
                ..Manager::default()
            },
            ..Facts::default()
        }
    }

    fn told(facts: &Facts, type_: &str) -> (String, String, String) {
        let status = status(facts, None, Timestamp::UNIX_EPOCH);
        let found = status.conditions.into_iter().find(|condition| condition.type_ == type_);
        let Condition { status, reason, message, .. } = found.expect(type_);
        (status, reason, message)
    }

    #[track_caller]
    fn assert_told(facts: &Facts, type_: &str, status: &str, reason: &str, says: &str) {
        let told = told(facts, type_);
        assert_eq!((told.0.as_str(), told.1.as_str()), (status, reason), "{type_}: {}", told.2);
        assert!(told.2.contains(says), "{}", told.2);
    }

    #[test]
    fn all_is_well() {
        let facts = fine();
        assert_told(
            &facts,
            "Ready",
            "True",
            "Ready",
            "gateways: 2 ready of 2; WebSocket manager: 3 of 3",
        );
        assert_told(&facts, "Progressing", "False", "Settled", "");
        assert_told(&facts, "Degraded", "False", "AsExpected", "");
        assert_told(&facts, "UpdateAvailable", "False", "UpToDate", "");
    }

    #[test]
    fn what_is_missing_is_named_by_ready_and_by_its_part() {
        let mut facts = fine();
        facts.gateways.ready = 1;
        assert_told(&facts, "Ready", "False", "GatewaysNotReady", "1 ready of 2");
        assert_told(&facts, "GatewaysReady", "False", "Starting", "1 ready of 2");
        facts.gateways.trouble =
            Some(Trouble { reason: Reason::Unschedulable, what: "pod a".into() });
        assert_told(&facts, "GatewaysReady", "False", "Unschedulable", "pod a; add nodes");
        assert_told(&facts, "Degraded", "True", "Unschedulable", "add nodes");

        let mut facts = fine();
        facts.manager.slots_assigned = 10_923;
        facts.manager.step = Some("wait for main-redis-0-0 to answer".into());
        assert_told(&facts, "ManagerReady", "False", "Tending", "10923 of 16384 slots: wait for");
        assert_told(&facts, "Progressing", "True", "TendingManager", "wait for");

        let mut facts = fine();
        facts.messages.ready = false;
        assert_told(&facts, "Ready", "False", "MessagesNotReady", "sends wait");
    }

    #[test]
    fn what_is_on_its_way_is_told_one_after_the_other() {
        let mut facts = Facts { applying: true, ..fine() };
        facts.manager.step = Some("forget a node".into());
        assert_told(&facts, "Progressing", "True", "TendingManager", "forget a node");
        facts.messages.updating = true;
        assert_told(&facts, "Progressing", "True", "UpdatingMessages", "sends wait");
        facts.gateways.draining = 2;
        assert_told(&facts, "Progressing", "True", "Draining", "letting go of their clients: 2");
        facts.gateways.rolling = true;
        assert_told(&facts, "Progressing", "True", "RollingOut", "2 ready of 2");
        facts.paused = true;
        assert_told(&facts, "Progressing", "False", "Paused", "spec.paused to false");
    }

    #[test]
    fn the_worst_of_several_troubles_is_told() {
        let trouble = |reason| Some(Trouble { reason, what: "pod a".into() });
        let mut facts = fine();
        facts.messages.trouble = trouble(Reason::NodeLost);
        facts.manager.trouble = trouble(Reason::ImageUnavailable);
        facts.gateways.trouble = trouble(Reason::Crashing);
        assert_told(&facts, "Degraded", "True", "ImageUnavailable", "pull secret");
    }

    #[test]
    fn a_manager_lacks_a_shard_although_the_others_have_all_slots() {
        let mut facts = fine();
        facts.manager.shards = 2;
        facts.manager.step = Some("join main-redis-2-0".into());
        assert_told(&facts, "ManagerReady", "False", "Tending", "2 of 3 shards");
        // What keeps it from running says more than what it waits for.
        facts.manager.trouble = Some(Trouble { reason: Reason::Crashing, what: "pod a".into() });
        assert_told(&facts, "ManagerReady", "False", "Crashing", "pod a; see the pod's log");
    }

    #[test]
    fn a_message_is_never_longer_than_the_server_takes() {
        let facts = Facts { newer: vec!["é".repeat(5_000)], ..fine() };
        assert_eq!(told(&facts, "UpdateAvailable").2.chars().count(), 4096);
    }

    #[test]
    fn what_was_just_changed_is_not_settled() {
        let facts = Facts { applying: true, ..fine() };
        assert_told(&facts, "Progressing", "True", "Applying", "takes effect");
    }

    #[test]
    fn what_a_person_must_do_stands_first() {
        let mut facts = fine();
        facts.gateways.ready = 0;
        let message = "Secret a/b has no key c".to_owned();
        facts.blockers = vec![Blocker { reason: "SecretMissing", message }];
        assert_told(&facts, "Degraded", "True", "SecretMissing", "no key c");
        assert_told(&facts, "GatewaysReady", "False", "SecretMissing", "0 ready of 2: Secret a/b");
    }

    #[test]
    fn a_newer_image_is_told_and_not_taken() {
        let facts = Facts { newer: vec!["chat:2".into()], ..fine() };
        assert_told(&facts, "UpdateAvailable", "True", "NewerImage", "chat:2; set spec.image");
        assert_told(&facts, "Ready", "True", "Ready", "");
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = status(&fine(), None, at(10));
        let mut facts = fine();
        facts.generation = 4;
        facts.gateways.ready = 1;
        let second = status(&facts, Some(&first), at(20));
        let time = |type_: &str| {
            let found = second.conditions.iter().find(|condition| condition.type_ == type_);
            found.map(|condition| {
                (condition.last_transition_time.0.as_second(), condition.observed_generation)
            })
        };
        assert_eq!(time("MessagesReady"), Some((10, Some(4))));
        assert_eq!(time("GatewaysReady"), Some((20, Some(4))));
    }

    #[test]
    fn connections_are_told_to_two_digits() {
        for (exact, told) in [(0, 0), (7, 7), (99, 99), (100, 100), (123, 120), (99_999, 99_000)] {
            assert_eq!(two_digits(exact), told);
        }
    }
}
