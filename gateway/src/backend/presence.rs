//! Whether a user is online. Backends see everybody, whatever users let each other see.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
};
use chatcluster_manager::Manager;
use chatcluster_protocol::{Millis, client::UserPresence};
use chatcluster_runtime::backend::{Problem, query};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Gateway, away, user};

/// Whether a user is online.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Presence {
    /// A device of theirs is connected.
    online: bool,
    /// When one was last, milliseconds UTC, give or take minutes; known for about a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Millis>,
}

pub(super) async fn show<M: Manager>(
    State(hub): Gateway<M>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Presence>, Problem> {
    query::none(query)?;
    let found = hub.presence_of(&user(&name)?).await.map_err(away)?;
    let UserPresence { online, last_seen, .. } = found;
    Ok(Json(Presence { online, last_seen }))
}
