//! Revoking the tokens of a user or a device.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
};
use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};
use chatcluster_runtime::backend::{self, Problem, query};
use messages_core::repository::Repository;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{api::Service, problem};

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Revoked {
    /// The user.
    user: UserId,
    /// The device, where only one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    /// Tokens that were issued before this are not accepted any more, milliseconds UTC.
    before: Millis,
}

/// What to revoke.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Only the tokens of this device. Those of all devices where none is named.
    // Never null: whoever has no name at hand by mistake does not mean all devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeviceId")]
    device: Option<DeviceId>,
}

pub(super) async fn create<R: Repository>(
    State(service): Service<R>,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Revoked>, Problem> {
    query::none(query)?;
    let user: UserId = user.parse().map_err(|error| Problem::parameter("user", error))?;
    let Revocation { device } = read(&backend::body(body)?)?;
    let before = (service.clock)();
    service.repository.revoke(user.clone(), device.clone(), before).await.map_err(problem)?;
    tracing::info!(%user, device = device.as_ref().map(DeviceId::as_str), "revoked tokens");
    Ok(Json(Revoked { user, device, before }))
}

/// No body at all means all devices.
fn read(body: &[u8]) -> Result<Revocation, Problem> {
    if body.is_empty() {
        return Ok(Revocation::default());
    }
    let wrong = |text| Problem::parameter("body", text);
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(wrong("must be a JSON object"));
    };
    let mut revocation = Revocation::default();
    for (name, value) in members {
        if name != "device" {
            return Err(query::unknown(&name));
        }
        let device =
            value.as_str().ok_or_else(|| Problem::parameter("device", "must be a text"))?;
        let device = device.parse().map_err(|error| Problem::parameter("device", error))?;
        revocation.device = Some(device);
    }
    Ok(revocation)
}
