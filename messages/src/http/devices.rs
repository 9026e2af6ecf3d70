//! The devices of a user.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::StatusCode,
};
use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
};
use chatcluster_runtime::backend::{Problem, query};
use messages_core::repository::{Repository, remove_and_revoke};
use schemars::JsonSchema;
use serde::Serialize;

use super::{api::Service, problem};

/// The devices of a user.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Devices {
    /// By name; at most 16.
    devices: Vec<Device>,
}

/// A device of a user.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Device {
    /// The name that its client gave it.
    device: DeviceId,
    /// When it came first, milliseconds UTC.
    registered_at: Millis,
    /// When it was connected last, milliseconds UTC; of a device that is connected, up to 7 hours old.
    last_seen: Millis,
}

pub(super) async fn list<R: Repository>(
    State(service): Service<R>,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Devices>, Problem> {
    query::none(query)?;
    let user: UserId = user.parse().map_err(|error| Problem::parameter("user", error))?;
    let devices = service.repository.devices(user).await.map_err(problem)?;
    let devices =
        devices.ok_or_else(|| Problem::not_found("no device of this user was ever connected"))?;
    let devices = devices.into_iter().map(|(device, known)| Device {
        device,
        registered_at: known.registered_at,
        last_seen: known.last_seen,
    });
    Ok(Json(Devices { devices: devices.collect() }))
}

pub(super) async fn remove<R: Repository>(
    State(service): Service<R>,
    Path((user, device)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    query::none(query)?;
    let user: UserId = user.parse().map_err(|error| Problem::parameter("user", error))?;
    let device: DeviceId = device.parse().map_err(|error| Problem::parameter("device", error))?;
    let repository: Arc<R> = service.repository.clone();
    // Beside: a backend that hangs up does not leave it half done.
    let (of, name) = (user.clone(), device.clone());
    let now = (service.clock)();
    let removal = tokio::spawn(async move { remove_and_revoke(&*repository, of, name, now).await });
    let broke_off = |_| Problem::unavailable("the removal broke off; repeat it");
    if !removal.await.map_err(broke_off)?.map_err(problem)? {
        return Err(Problem::not_found("the user has no device of this name"));
    }
    tracing::info!(%user, %device, "removed a device");
    Ok(StatusCode::NO_CONTENT)
}
