//! Sending the same to many: one message for each, each with an outcome of its own.

use std::time::Duration;

use axum::{
    Json,
    extract::{RawQuery, State, rejection::BytesRejection},
};
use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::{
    client::{Content, Recipient},
    id::{Reference, UserId},
};
use chatcluster_runtime::backend::{Problem, query};
use futures_util::{StreamExt, stream};
use gateway_core::submission::{Refused, Submission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Gateway,
    messages::{Sent, change_is_one, is_system, problem, sent, system},
    read,
};

/// Most recipients of one request. They take about 50 batches of the message service.
pub(super) const RECIPIENTS: usize = 1000;

/// Messages of one request on their way at the same time: enough for the batches of the message service, and
/// few beside what clients send.
const AT_A_TIME: usize = 64;

/// How long new ones are begun. Those that are left have no outcome then, as where the message service is away.
const BEGUN_WITHIN: Duration = Duration::from_secs(20);

/// A message to send to many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcast {
    /// Whose messages they are, as in `POST /v1/messages`.
    #[serde(default = "system", skip_serializing_if = "is_system")]
    from: UserId,
    /// The backend's own name for all of this, unique among the broadcasts of the same `from`. Repeating it is
    /// safe for 7 days, also with other recipients.
    #[serde(rename = "ref")]
    reference: Reference,
    /// Who gets it.
    to: Recipients,
    /// What it says.
    content: Content,
}

/// Who gets a broadcast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Recipients {
    /// Users, at most 1000. One who is named twice gets it once.
    #[schemars(length(min = 1, max = RECIPIENTS))]
    users: Vec<UserId>,
}

/// What became of a broadcast.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Outcomes {
    /// One for each user, in the order asked.
    outcomes: Vec<Outcome>,
    /// How many have no message. Where `temporary` is true of one, the same request may store it later.
    failed: usize,
}

/// What became of the message for one user: either `sent` or `error`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Outcome {
    /// The user.
    user: UserId,
    /// It is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    /// It is not, or may not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

pub(super) async fn send<M: Manager>(
    State(hub): Gateway<M>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Outcomes>, Problem> {
    query::none(query)?;
    let Broadcast { from, reference, to: Recipients { users }, content } = read(body)?;
    if users.is_empty() || users.len() > RECIPIENTS {
        return Err(Problem::parameter("to.users", format!("must be 1 to {RECIPIENTS} users")));
    }
    let first = users.first().cloned().map(Recipient::User);
    first.map_or(Ok(()), |to| change_is_one(&to, &content))?;
    let end = Instant::now() + BEGUN_WITHIN;
    let one = |user: UserId| {
        let (hub, to) = (hub.clone(), Recipient::User(user.clone()));
        let reference = reference.of_broadcast(&user);
        let submission = Submission::new(from.clone(), reference, to, content.clone());
        async move {
            let stored = match Instant::now() < end {
                true => hub.submit(submission).await,
                false => Err(Refused::Unavailable),
            };
            let (sent, error) = match stored {
                Ok(stored) => (Some(sent(stored)), None),
                Err(refused) => (None, Some(problem(refused))),
            };
            Outcome { user, sent, error }
        }
    };
    let outcomes: Vec<_> = stream::iter(users).map(one).buffered(AT_A_TIME).collect().await;
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    Ok(Json(Outcomes { outcomes, failed }))
}
