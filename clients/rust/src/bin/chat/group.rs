//! `chat group`: makes and changes groups, and shows who takes part.

use std::time::Duration;

use chatcluster_client::protocol::{
    client::{Empty, GroupChange, GroupCreation, GroupState, RoleGiven, ServerFrame},
    id::GroupId,
};

use crate::{
    args::{GroupArgs, GroupCommand, TargetArgs},
    connection::{Connection, no_answer},
    failure::Failure,
    state::Use,
    target::Target,
    text::{self, Paint},
};

pub(crate) async fn run(target: TargetArgs, args: GroupArgs) -> Result<(), Failure> {
    let device = target.device.clone();
    let mut connection = Connection::open(Target::resolve(&target)?, device, Use::Beside)?;
    let result = carry_out(&mut connection, args).await;
    connection.close().await;
    for line in result? {
        text::line(&line).map_err(Failure::io("standard output"))?;
    }
    Ok(())
}

/// Does it, and says what to print.
async fn carry_out(
    connection: &mut Connection,
    GroupArgs { timeout, json, command }: GroupArgs,
) -> Result<Vec<String>, Failure> {
    let (group, change) = match command {
        GroupCommand::Show { group } => {
            let client = connection.client.clone();
            let state = connection.answer(timeout, no_answer, client.group(group)).await?;
            return Ok(shown(state, json));
        }
        GroupCommand::Create { name, members } => {
            let group = GroupId::from_random(rand::random());
            (group, GroupChange::Create(GroupCreation { name, members }))
        }
        GroupCommand::Add { group, users } => (group, GroupChange::Add(users)),
        GroupCommand::Remove { group, users } => (group, GroupChange::Remove(users)),
        GroupCommand::Leave { group } => (group, GroupChange::Leave(Empty {})),
        GroupCommand::Rename { group, name } => (group, GroupChange::Rename(name)),
        GroupCommand::Role { group, user, role } => {
            (group, GroupChange::Role(RoleGiven { user, role: role.into() }))
        }
    };
    changed(connection, timeout, group, &change).await?;
    Ok(match change {
        GroupChange::Create(_) => vec![group.to_string()],
        _ => Vec::new(),
    })
}

async fn changed(
    connection: &mut Connection,
    timeout: Duration,
    group: GroupId,
    change: &GroupChange,
) -> Result<(), Failure> {
    let ticket = connection.client.change_group(group, change).await;
    let late = |why| {
        format!(
            "{}: whether the group {group} was changed is unknown; `show` tells",
            no_answer(why)
        )
    };
    connection.answer(timeout, late, ticket).await.map(|_| ())
}

fn shown(state: GroupState, json: bool) -> Vec<String> {
    if json {
        return vec![ServerFrame::Group(state).encode()];
    }
    let paint = Paint::detect();
    let member = |member: &chatcluster_client::protocol::client::GroupMember| {
        format!("{} ({})", paint.name(member.user.as_str()), text::role(member.role))
    };
    let name = text::printable(state.name.as_str());
    std::iter::once(name).chain(state.members.iter().map(member)).collect()
}
