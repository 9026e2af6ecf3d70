//! The picture: what every node says.

use futures_util::future::join_all;
use operator_plan::{Member, Picture, Place, Seen, View};
use redis::RedisResult;
use tokio::time::timeout;

use super::{Node, PATIENCE, connect};

/// Asks all nodes at the same time, each for at most a second.
pub async fn look(nodes: &[Node]) -> Picture {
    let members = nodes.iter().map(|node| async {
        let seen = match ask(&node.place).await {
            Some(view) => Seen::Answers(view),
            None if node.may_run => Seen::Silent,
            None => Seen::Absent,
        };
        Member { name: node.name.clone(), shard: node.shard, place: node.place.clone(), seen }
    });
    Picture { members: join_all(members).await }
}

async fn ask(place: &Place) -> Option<View> {
    if place.ip.is_empty() {
        return None;
    }
    let question = async {
        let mut connection = connect(place).await?;
        let mut questions = redis::pipe();
        questions.cmd("CLUSTER").arg("NODES");
        questions.cmd("CLUSTER").arg("INFO");
        questions.cmd("INFO").arg("replication");
        let answers: [String; 3] = questions.query_async(&mut connection).await?;
        RedisResult::Ok(answers)
    };
    let [nodes, info, replication] = timeout(PATIENCE, question).await.ok()?.ok()?;
    let view = View::read(&nodes, &info, &replication)
        .inspect_err(|error| tracing::warn!(?place, %error, "a Redis node's answer is unreadable"))
        .ok()?;
    let expected = view.is_of(place);
    if !expected {
        tracing::warn!(?place, id = view.me.0, "another Redis node answers at this address");
    }
    expected.then_some(view)
}
