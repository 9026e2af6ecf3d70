//! Why pods do not run, and what a person can do about it. Pure.

use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod},
    jiff::Timestamp,
};
use kube::ResourceExt;

use super::overdue::is_overdue;

/// What keeps a part from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: Reason,
    /// Which pod or set, and the words of whoever noticed.
    pub(crate) what: String,
}

/// Kinds of trouble, the worst first: reasons of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The server refuses to make pods.
    PodsRefused,
    /// An image cannot be pulled.
    ImageUnavailable,
    /// A container cannot be made: something that it mounts or reads is missing.
    ContainerRefused,
    /// A program ends again and again.
    Crashing,
    /// No node has room, or none may be used.
    Unschedulable,
    /// The pod's node does not answer.
    NodeLost,
}

impl Reason {
    /// As a condition's reason.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PodsRefused => "PodsRefused",
            Self::ImageUnavailable => "ImageUnavailable",
            Self::ContainerRefused => "ContainerRefused",
            Self::Crashing => "Crashing",
            Self::Unschedulable => "Unschedulable",
            Self::NodeLost => "NodeLost",
        }
    }

    /// What a person can do.
    const fn remedy(self) -> &'static str {
        match self {
            Self::PodsRefused => "raise the quota or change the policy, or ask for less",
            Self::ImageUnavailable => {
                "name an image that nodes can pull, or give them a pull secret"
            }
            Self::ContainerRefused => "create what is missing",
            Self::Crashing => "see the pod's log",
            Self::Unschedulable => "add nodes, or change what the pod asks for",
            Self::NodeLost => "bring the node back, or delete the Node if it is gone for good",
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.what, self.reason.remedy())
    }
}

/// What keeps a pod from running, if anything does.
pub(crate) fn of_pod(pod: &Pod, now: Timestamp) -> Option<Trouble> {
    let name = pod.name_any();
    let trouble =
        |reason, words: &str| Some(Trouble { reason, what: format!("pod {name}: {words}") });
    let status = pod.status.as_ref()?;
    if is_overdue(pod, now) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let words = format!("its node {} does not answer", node.unwrap_or("(unknown)"));
        return trouble(Reason::NodeLost, &words);
    }
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions
        .clone()
        .find(|one| one.type_ == "PodScheduled" && one.reason.as_deref() == Some("Unschedulable"));
    if let Some(condition) = unscheduled {
        return trouble(Reason::Unschedulable, condition.message.as_deref().unwrap_or("no node"));
    }
    let (reason, words) = status.container_statuses.iter().flatten().find_map(of_container)?;
    trouble(reason, &words)
}

fn of_container(container: &ContainerStatus) -> Option<(Reason, String)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let kind = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull"
        | "ImageInspectError" => Reason::ImageUnavailable,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Reason::ContainerRefused
        }
        "CrashLoopBackOff" => Reason::Crashing,
        _ => return None,
    };
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let words = match (kind, last, &waiting.message) {
        (Reason::Crashing, Some(end), _) => format!("its program ended with {}", end.exit_code),
        (Reason::ImageUnavailable, _, message) => {
            let message = message.as_deref().unwrap_or_default();
            format!("image {}: {reason} {message}", container.image).trim_end().to_owned()
        }
        (_, _, Some(message)) => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    };
    Some((kind, words))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "main-gateway-x" },
            "spec": { "containers": [], "nodeName": "node1" },
            "status": status,
        }))
        .unwrap()
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({ "containerStatuses": [{
            "name": "gateway", "image": "chat:9", "imageID": "", "ready": false, "restartCount": 1,
            "state": { "waiting": { "reason": reason, "message": message } },
            "lastState": { "terminated": { "exitCode": 2 } },
        }]})
    }

    #[test]
    fn each_trouble_says_what_and_what_to_do() {
        let scheduled = json!({ "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
        }]});
        for (status, reason, says) in [
            (scheduled, Reason::Unschedulable, "Insufficient cpu.; add nodes"),
            (
                waiting("ImagePullBackOff", "not found"),
                Reason::ImageUnavailable,
                "image chat:9: ImagePullBackOff not found; name an image",
            ),
            (
                waiting("CrashLoopBackOff", "back-off"),
                Reason::Crashing,
                "ended with 2; see the pod's log",
            ),
            (
                waiting("CreateContainerConfigError", "secret \"a\" not found"),
                Reason::ContainerRefused,
                "secret \"a\" not found; create what",
            ),
        ] {
            let trouble = of_pod(&pod(status), Timestamp::UNIX_EPOCH).expect(says);
            assert_eq!(trouble.reason, reason);
            assert!(trouble.to_string().contains(says), "{trouble}");
        }
    }

    #[test]
    fn a_pod_that_should_have_ended_long_since_is_on_a_lost_node() {
        let mut pod = pod(json!({}));
        let due = Timestamp::from_second(100).unwrap();
        pod.metadata.deletion_timestamp = Some(Time(due));
        let at = |second| of_pod(&pod, Timestamp::from_second(second).unwrap());
        assert_eq!(at(109), None);
        let trouble = at(110).unwrap();
        assert_eq!(trouble.reason, Reason::NodeLost);
        let says = "its node node1 does not answer; bring the node back";
        assert!(trouble.to_string().contains(says), "{trouble}");
    }

    #[test]
    fn a_pod_that_starts_or_runs_is_no_trouble() {
        for status in [json!({}), waiting("ContainerCreating", "")] {
            assert_eq!(of_pod(&pod(status), Timestamp::UNIX_EPOCH), None);
        }
    }
}
