//! One look and one step.

use operator_plan::{Goal, Picture, Step, plan};

use super::{Node, NotDone, carry_out, look};

/// What one look showed, and what was done about it.
#[derive(Debug)]
pub struct Tended {
    /// The nodes before the step.
    pub picture: Picture,
    /// What was done or is waited for; `None` when the Redis Cluster is as it should be.
    pub step: Option<Step>,
    /// What went wrong with the step. It needs no care: the next look shows what is left.
    pub failed: Option<NotDone>,
}

/// Looks at all nodes and takes the Redis Cluster one step further, within about two seconds. While there
/// is a step, call it again soon: gossip needs about a second to spread, and most steps wait for it.
pub async fn tend(nodes: &[Node], goal: &Goal) -> Tended {
    let picture = look(nodes).await;
    let step = plan(&picture, goal);
    let failed = match &step {
        Some(step) => carry_out(step, &picture).await.err(),
        None => None,
    };
    Tended { picture, step, failed }
}
