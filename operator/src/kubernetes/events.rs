//! What happens to a ChatCluster, as Kubernetes events. docs/kubernetes.md lists the reasons.

use std::fmt;

use kube::runtime::events::{Event, EventType};

use super::keys::KeyEvent;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// Something about keys and certificates.
    Keys(KeyEvent),
    /// A step of the WebSocket manager's Redis Cluster was carried out.
    Manager(String),
    /// A pod on a node that does not answer was given up.
    PodGivenUp(String),
    /// A new revision of the gateways is rolled out.
    RolloutBegan(String),
    /// All gateways are of the wanted revision.
    RolloutEnded(String),
    /// A revision has another number of gateways.
    Scaled { set: String, from: u32, to: u32 },
    /// The message service's volume is to be larger.
    VolumeGrows { claim: String, to: String },
    /// Something is wrong that a person should know of.
    Wrong { reason: String, message: String },
}

impl Happening {
    /// As Kubernetes wants it.
    pub(crate) fn event(&self) -> Event {
        let (type_, reason, action) = match self {
            Self::Keys(event) => (EventType::Normal, event.reason(), "Keys"),
            Self::Manager(_) => (EventType::Normal, "ManagerStep", "TendManager"),
            Self::PodGivenUp(_) => (EventType::Warning, "PodGivenUp", "TendManager"),
            Self::RolloutBegan(_) => (EventType::Normal, "RolloutBegan", "Rollout"),
            Self::RolloutEnded(_) => (EventType::Normal, "RolloutEnded", "Rollout"),
            Self::Scaled { .. } => (EventType::Normal, "Scaled", "Rollout"),
            Self::VolumeGrows { .. } => (EventType::Normal, "VolumeGrows", "Apply"),
            Self::Wrong { reason, .. } => (EventType::Warning, reason.as_str(), "Observe"),
        };
        Event {
            type_,
            reason: reason.to_owned(),
            // The most that an event's note may be is 1 kB.
            note: Some(self.to_string().chars().take(1000).collect()),
            action: action.to_owned(),
            secondary: None,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(event) => event.fmt(f),
            Self::Manager(step) => f.write_str(step),
            Self::PodGivenUp(pod) => {
                write!(f, "deleted pod {pod} at once: its node does not answer")
            }
            Self::RolloutBegan(revision) => {
                write!(f, "gateways of revision {revision} replace the others")
            }
            Self::RolloutEnded(revision) => write!(f, "all gateways are of revision {revision}"),
            Self::Scaled { set, from, to } => {
                write!(f, "ReplicaSet {set}: from {from} gateways to {to}")
            }
            Self::VolumeGrows { claim, to } => write!(f, "volume claim {claim} asks for {to}"),
            Self::Wrong { message, .. } => f.write_str(message),
        }
    }
}
