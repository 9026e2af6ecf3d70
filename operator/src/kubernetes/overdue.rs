//! Pods that do not end, because their kubelet is dead. A StatefulSet waits for their end for ever, and a
//! drain would, since nobody can know that they hold nothing that must last. We do, of Redis nodes and
//! gateways.

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
};

/// A kubelet that works confirms the end of a pod within seconds after the grace period. In seconds.
const CONFIRMS_WITHIN: i64 = 10;

/// The pods whose end is overdue. Never one that answers.
pub(crate) fn overdue<'a>(
    pods: impl Iterator<Item = &'a Pod>,
    answers: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Vec<&'a Pod> {
    let silent = |pod: &&Pod| !answers(&pod.name_any());
    pods.filter(|pod| is_overdue(pod, now)).filter(silent).collect()
}

/// Whether a pod should have ended by now.
pub(crate) fn is_overdue(pod: &Pod, now: Timestamp) -> bool {
    // The grace period is in it already.
    let due = pod.metadata.deletion_timestamp.as_ref();
    due.is_some_and(|due| now.as_second() - due.0.as_second() >= CONFIRMS_WITHIN)
}

/// Removes a pod at once, so that another one can run in its place. If its kubelet lives after all, that
/// ends the container as soon as it hears of it.
///
/// # Errors
/// Of the API server. A pod that is gone, or another one by now, is none.
pub(crate) async fn give_up(pods: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    let this_one = Preconditions { uid: pod.uid(), resource_version: None };
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(this_one),
        ..DeleteParams::default()
    };
    match pods.delete(&pod.name_any(), &at_once).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        done => done.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DUE: &str = "2026-01-01T00:00:00Z";

    fn pod(name: &str, deleted: bool) -> Pod {
        let deletion = deleted.then_some(DUE);
        let meta = json!({ "name": name, "deletionTimestamp": deletion });
        serde_json::from_value(json!({ "metadata": meta })).unwrap()
    }

    #[test]
    fn a_pod_is_given_up_ten_seconds_after_its_grace_period_unless_it_answers() {
        let pods = [pod("lives", true), pod("silent", true), pod("kept", false)];
        let at = |seconds: i64| {
            let due: Timestamp = DUE.parse().unwrap();
            let now = Timestamp::from_second(due.as_second() + seconds).unwrap();
            let late = overdue(pods.iter(), |name| name == "lives", now);
            late.into_iter().map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        assert_eq!(at(9), [] as [&str; 0]);
        assert_eq!(at(10), ["silent"]);
    }
}
