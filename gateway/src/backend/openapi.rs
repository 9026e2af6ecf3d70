//! The OpenAPI 3.1 document: paths, beside the one table of routes that the router is built from.

use chatcluster_protocol::id::{DeviceId, UserId};
use chatcluster_runtime::backend::openapi::{answer, body, document, errors, path, problem};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{
    broadcasts::{Broadcast, Outcomes},
    connections::{Connections, Disconnected},
    messages::{Send, Sent},
    presence::Presence,
    scope,
};

/// Path of messages.
pub(super) const MESSAGES: &str = "/v1/messages";
/// Path of broadcasts.
pub(super) const BROADCASTS: &str = "/v1/broadcasts";
/// Path of a user's connections.
pub(super) const CONNECTIONS: &str = "/v1/users/{user}/connections";
/// Path of a device's connection.
pub(super) const CONNECTION: &str = "/v1/users/{user}/connections/{device}";
/// Path of a user's presence.
pub(super) const PRESENCE: &str = "/v1/users/{user}/presence";

const ABOUT: &str = "Sending, and the connections of users, for backends. Every gateway serves this. Every \
    request carries a service token, as for the message service: a JWT signed by HS256 with `aud`, `exp` and a \
    `scope` that contains what the operation needs, `messages:send`, `connections:read` or `connections:close`. \
    Unknown parameters are errors.";

/// The document.
pub fn openapi() -> Value {
    document("ChatCluster gateways", ABOUT, paths)
}

fn paths(schemas: &mut SchemaGenerator) -> Value {
    json!({
        MESSAGES: { "post": send(schemas) },
        BROADCASTS: { "post": broadcast(schemas) },
        CONNECTIONS: { "get": connections(schemas), "delete": disconnect_all(schemas) },
        CONNECTION: { "delete": disconnect(schemas) },
        PRESENCE: { "get": presence(schemas) },
    })
}

fn send(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = errors(schemas);
    responses["201"] = answer::<Sent>(schemas, "application/json", "It is stored.");
    responses["409"] = problem(schemas, "The reference was used for other content.");
    responses["413"] = problem(schemas, "The body is too large.");
    responses["503"] = problem(schemas, "The outcome is unknown: send the same reference again.");
    let about = "It is stored in the inbox of every device of the recipient, and of the other devices of its \
        sender, before this is answered; those that are connected are shown it at once. Repeating a request \
        under the same `ref` makes no second message, and is answered alike. A message that is sent after \
        another one was answered comes after it.";
    json!({
        "operationId": "sendMessage",
        "summary": "Send a message as a user, or as the system",
        "description": about,
        "requestBody": body::<Send>(schemas, true),
        "responses": responses,
        "security": [{ "service_token": [scope::SEND] }],
    })
}

fn broadcast(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = errors(schemas);
    let about = "What became of each message; also where some, or all, are not stored.";
    responses["200"] = answer::<Outcomes>(schemas, "application/json", about);
    responses["413"] = problem(schemas, "The body is too large.");
    let about = "Each user gets a message of their own, as by `POST /v1/messages`. Repeat the request under the \
        same `ref` until nothing has failed for now: what is stored is not stored again.";
    json!({
        "operationId": "broadcastMessage",
        "summary": "Send the same to many users",
        "description": about,
        "requestBody": body::<Broadcast>(schemas, true),
        "responses": responses,
        "security": [{ "service_token": [scope::SEND] }],
    })
}

fn connections(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let mut responses = errors(schemas);
    let about = "The connections; none where the user is not connected.";
    responses["200"] = answer::<Connections>(schemas, "application/json", about);
    json!({
        "operationId": "listUserConnections",
        "summary": "Where a user is connected",
        "description": "As the WebSocket manager knows it: a gateway that died counts for up to 15 s more.",
        "parameters": [user],
        "responses": responses,
        "security": [{ "service_token": [scope::READ] }],
    })
}

fn presence(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let mut responses = errors(schemas);
    let about = "As of now; not online and never seen where nobody is known by this name.";
    responses["200"] = answer::<Presence>(schemas, "application/json", about);
    json!({
        "operationId": "getUserPresence",
        "summary": "Whether a user is online",
        "description": "Whatever the user lets other users see.",
        "parameters": [user],
        "responses": responses,
        "security": [{ "service_token": [scope::READ] }],
    })
}

const ENDS: &str = "Clients come back: their connections end with 4104. To keep a user out, revoke their tokens at \
    the message service. After an error some may have ended; repeating it ends the others.";

fn disconnect_all(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let mut responses = errors(schemas);
    let about = "They have ended: all that there were when this was asked.";
    responses["200"] = answer::<Disconnected>(schemas, "application/json", about);
    json!({
        "operationId": "endUserConnections",
        "summary": "End the connections of a user",
        "description": ENDS,
        "parameters": [user],
        "responses": responses,
        "security": [{ "service_token": [scope::CLOSE] }],
    })
}

fn disconnect(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let device = path::<DeviceId>(schemas, "device", "The device.");
    let mut responses = errors(schemas);
    responses["200"] = answer::<Disconnected>(schemas, "application/json", "It has ended.");
    responses["404"] = problem(schemas, "The device is not connected.");
    json!({
        "operationId": "endDeviceConnection",
        "summary": "End the connection of a device",
        "description": ENDS,
        "parameters": [user, device],
        "responses": responses,
        "security": [{ "service_token": [scope::CLOSE] }],
    })
}
