//! Carrying out a step.

use futures_util::future::join_all;
use operator_plan::{Command, Picture, Step};
use redis::{Cmd, ErrorKind, RedisError, RedisResult};
use tokio::time::timeout;

use super::{PATIENCE, connect};

/// A command that a node did not do.
#[derive(Debug, thiserror::Error)]
#[error("{command} at {node} failed: {error}")]
pub struct NotDone {
    /// The command.
    pub command: String,
    /// The name of the node.
    pub node: String,
    /// Why.
    pub error: RedisError,
}

/// Sends a step's commands, all at the same time: where there are several, it is one command for several
/// nodes. An error needs no care, since what failed shows in the next picture.
///
/// # Errors
/// The first command that failed.
pub async fn carry_out(step: &Step, picture: &Picture) -> Result<(), NotDone> {
    let commands = step.commands(picture);
    let done = join_all(commands.iter().map(|command| send(command, picture))).await;
    let failed = |(command, done): (Command, RedisResult<()>)| {
        let error = done.err()?;
        Some(NotDone { command: command.words.join(" "), node: command.at, error })
    };
    commands.into_iter().zip(done).find_map(failed).map_or(Ok(()), Err)
}

async fn send(command: &Command, picture: &Picture) -> RedisResult<()> {
    let no_member = || RedisError::from((ErrorKind::InvalidClientConfig, "there is no such node"));
    let no_answer = || RedisError::from((ErrorKind::Io, "no answer within a second"));
    let at = picture.members.iter().find(|member| member.name == command.at);
    let at = at.ok_or_else(no_member)?;
    let mut words = Cmd::new();
    words.arg(&command.words);
    let answer = async { words.query_async(&mut connect(&at.place).await?).await };
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(no_answer()))
}
