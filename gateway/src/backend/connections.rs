//! Where a user is connected, and the end of that.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
};
use chatcluster_manager::Manager;
use chatcluster_protocol::id::DeviceId;
use chatcluster_runtime::backend::{Problem, query};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Gateway, away};

/// The connections of a user.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Connections {
    /// By device.
    connections: Vec<Connection>,
}

/// A device that is connected.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Connection {
    /// The device.
    device: DeviceId,
    /// The name of the gateway that it is connected to.
    gateway: String,
    /// The `epoch` of its `welcome`, or a higher one where the gateway has claimed the device again since. It
    /// is higher than that of any earlier connection of the device.
    epoch: u64,
}

/// Connections that were ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Disconnected {
    /// Of these devices.
    devices: Vec<DeviceId>,
}

pub(super) async fn list<M: Manager>(
    State(hub): Gateway<M>,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Connections>, Problem> {
    query::none(query)?;
    let found = hub.connections(&super::user(&user)?).await.map_err(away)?;
    let mut connections: Vec<_> = found
        .into_iter()
        .map(|(device, route)| Connection { device, gateway: route.gateway, epoch: route.epoch })
        .collect();
    connections.sort_by(|a, b| a.device.cmp(&b.device));
    Ok(Json(Connections { connections }))
}

pub(super) async fn end_all<M: Manager>(
    State(hub): Gateway<M>,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Disconnected>, Problem> {
    query::none(query)?;
    let user = super::user(&user)?;
    let mut devices = hub.disconnect(&user, None).await.map_err(late)?;
    devices.sort();
    tracing::info!(%user, connections = devices.len(), "ended connections");
    Ok(Json(Disconnected { devices }))
}

pub(super) async fn end_one<M: Manager>(
    State(hub): Gateway<M>,
    Path((user, device)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<Disconnected>, Problem> {
    query::none(query)?;
    let user = super::user(&user)?;
    let device: DeviceId = device.parse().map_err(|error| Problem::parameter("device", error))?;
    let devices = hub.disconnect(&user, Some(&device)).await.map_err(late)?;
    if devices.is_empty() {
        return Err(Problem::not_found("the device is not connected"));
    }
    tracing::info!(%user, %device, "ended a connection");
    Ok(Json(Disconnected { devices }))
}

fn late(_: gateway_core::Away) -> Problem {
    Problem::unavailable("some connections may not have ended; ask again")
}
