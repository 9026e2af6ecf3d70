//! Sending one message.

use axum::{
    Json,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::StatusCode,
};
use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::{
    Millis,
    client::{Content, Recipient, check_change},
    id::{ConversationId, MessageId, Reference, UserId},
};
use chatcluster_runtime::backend::{Problem, ProblemCode, query};
use gateway_core::submission::{Refused, Stored, Submission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Gateway, read};

/// A message to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    /// Whose message it is. Where nobody is named it is of `system`, which is a user like any other: give the
    /// name to nobody else.
    // Never null: whoever has no name at hand by mistake does not mean the system.
    #[serde(default = "system", skip_serializing_if = "is_system")]
    pub(super) from: UserId,
    /// The backend's own name for this message, unique among those of the same `from`. Repeating it is safe for
    /// 7 days.
    #[serde(rename = "ref")]
    reference: Reference,
    /// Who gets it.
    to: Recipient,
    /// What it says.
    content: Content,
}

/// A message is stored.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Sent {
    /// The message's id.
    message: MessageId,
    /// The conversation it belongs to.
    conversation: ConversationId,
    /// When it was accepted, milliseconds UTC.
    at: Millis,
}

/// Whose messages are that are of nobody.
const SYSTEM: &str = "system";

pub(super) fn system() -> UserId {
    // It is always valid.
    UserId::new(SYSTEM).unwrap_or_else(|error| unreachable!("{error}"))
}

pub(super) fn is_system(user: &UserId) -> bool {
    user.as_str() == SYSTEM
}

pub(super) async fn send<M: Manager>(
    State(hub): Gateway<M>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    query::none(query)?;
    let Send { from, reference, to, content } = read(body)?;
    change_is_one(&to, &content)?;
    let stored = hub.submit(Submission::new(from, reference, to, content)).await;
    Ok((StatusCode::CREATED, Json(stored.map(sent).map_err(problem)?)))
}

/// What changes a group can be read, and goes to a group.
pub(super) fn change_is_one(to: &Recipient, content: &Content) -> Result<(), Problem> {
    check_change(to, content)
        .map_err(|error| Problem::parameter(error.field.as_deref().unwrap_or_default(), error.text))
}

pub(super) fn sent(stored: Stored) -> Sent {
    let Stored { message, conversation } = stored;
    Sent { message, conversation, at: message.millis() }
}

pub(super) fn problem(refused: Refused) -> Problem {
    match refused {
        Refused::Forbidden(text) => Problem::new(ProblemCode::Forbidden, text),
        Refused::Conflict => {
            let code = ProblemCode::ReferenceConflict;
            let text = "the reference was used for other content; choose a new one";
            Problem { field: Some("ref".into()), ..Problem::new(code, text) }
        }
        Refused::Unavailable => {
            Problem::unavailable("the outcome is unknown; send the same reference again")
        }
    }
}
