//! The OpenAPI 3.1 document. Its schemas are JSON Schema, made from the types that are answered; paths
//! and parameters are written here, beside the one table of routes that the router is built from.

use chatcluster_protocol::{
    client::{MediaRange, Message},
    id::{ConversationId, DeviceId, UserId},
    limits::TIME,
};
use chatcluster_runtime::backend::openapi::{
    answer, body, document, errors, parameter, path, problem, query,
};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{
    api::Messages,
    devices::Devices,
    filters::{LIMIT, LIMIT_DEFAULT, Order},
    revocations::{Revocation, Revoked},
    scope,
};

/// Path of a message.
pub(super) const MESSAGE: &str = "/v1/messages/{id}";
/// Path of all messages.
pub(super) const ALL: &str = "/v1/messages";
/// Path of a user's messages.
pub(super) const OF_USER: &str = "/v1/users/{user}/messages";
/// Path of a conversation's messages.
pub(super) const OF_CONVERSATION: &str = "/v1/conversations/{conversation}/messages";

/// Path of a user's devices.
pub(super) const DEVICES: &str = "/v1/users/{user}/devices";
/// Path of a device.
pub(super) const DEVICE: &str = "/v1/users/{user}/devices/{device}";

/// Path of a user's revocations.
pub(super) const REVOCATIONS: &str = "/v1/users/{user}/revocations";

/// A UUID of version 7, in either case.
const UUID_V7: &str =
    "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$";

const ABOUT: &str = "Messages by user, id, conversation, sender, type and time, and the devices of users, for \
    backends. Every request carries a service token: a JWT signed by HS256 with `aud`, `exp` and a \
    `scope` that contains what the operation needs, `messages:read`, `devices:write` or \
    `sessions:write`. Unknown \
    parameters are errors.";

/// The document.
pub fn openapi() -> Value {
    document("ChatCluster messages", ABOUT, paths)
}

fn paths(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let conversation = path::<ConversationId>(schemas, "conversation", "The conversation.");
    let by_user = query::<UserId>(
        schemas,
        "user",
        "In a conversation in which this user takes part: what they sent and what they got.",
    );
    let by_conversation = query::<ConversationId>(schemas, "conversation", "In this conversation.");
    let all = "Messages, by any mix of filters";
    let both = vec![by_user.clone(), by_conversation.clone()];
    let said = "What was said in a conversation";
    json!({
        MESSAGE: { "get": one(schemas) },
        ALL: { "get": list(schemas, "listMessages", all, both) },
        OF_USER: {
            "get": list(schemas, "listUserMessages", "What a user sent and got", vec![user, by_conversation]),
        },
        OF_CONVERSATION: {
            "get": list(schemas, "listConversationMessages", said, vec![conversation, by_user]),
        },
        DEVICES: { "get": devices(schemas) },
        DEVICE: { "delete": remove_device(schemas) },
        REVOCATIONS: { "post": revoke(schemas) },
    })
}

fn devices(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let mut responses = errors(schemas);
    responses["200"] = answer::<Devices>(schemas, "application/json", "The devices.");
    responses["404"] = problem(schemas, "No device of this user was ever connected.");
    json!({
        "operationId": "listUserDevices",
        "summary": "The devices of a user",
        "parameters": [user],
        "responses": responses,
        "security": [{ "service_token": [scope::READ] }],
    })
}

fn remove_device(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let device = path::<DeviceId>(schemas, "device", "The device.");
    let mut responses = errors(schemas);
    responses["204"] = json!({ "description": "It is removed, with all that waited for it." });
    responses["404"] = problem(schemas, "The user has no device of this name.");
    let about = "Its tokens are revoked, and its session ends. What waits for the device is removed with it; the user's other devices and the archive \
        are left alone. A device of the same name that connects later is a new one. After an error, \
        repeat it: what was begun is finished.";
    json!({
        "operationId": "removeUserDevice",
        "summary": "Remove a device of a user",
        "description": about,
        "parameters": [user, device],
        "responses": responses,
        "security": [{ "service_token": [scope::DEVICES] }],
    })
}

fn revoke(schemas: &mut SchemaGenerator) -> Value {
    let user = path::<UserId>(schemas, "user", "The user.");
    let mut responses = errors(schemas);
    responses["200"] = answer::<Revoked>(schemas, "application/json", "They are revoked.");
    responses["413"] = problem(schemas, "The body is too large.");
    let about = "Tokens of the user, or of one device, that were issued before now (`iat`, which is in \
        seconds; a token without it counts as older) are not accepted any more, and sessions that were \
        opened or renewed with one end within about two seconds.";
    json!({
        "operationId": "revokeUserTokens",
        "summary": "Revoke the tokens of a user",
        "description": about,
        "parameters": [user],
        "requestBody": body::<Revocation>(schemas, false),
        "responses": responses,
        "security": [{ "service_token": [scope::SESSIONS] }],
    })
}

fn one(schemas: &mut SchemaGenerator) -> Value {
    let id = message_id();
    let mut responses = errors(schemas);
    responses["200"] = answer::<Message>(schemas, "application/json", "The message.");
    responses["404"] = problem(schemas, "There is no such message.");
    json!({
        "operationId": "getMessage",
        "summary": "A message by its id",
        "parameters": [parameter("id", "path", "The message's id.", &id)],
        "responses": responses,
        "security": [{ "service_token": [scope::READ] }],
    })
}

fn message_id() -> Value {
    json!({ "type": "string", "format": "uuid", "pattern": UUID_V7 })
}

/// A list with these parameters of its own and those of all lists.
fn list(schemas: &mut SchemaGenerator, id: &str, summary: &str, own: Vec<Value>) -> Value {
    let time = json!({ "type": "integer", "minimum": 0, "maximum": TIME });
    let limit =
        json!({ "type": "integer", "minimum": 1, "maximum": LIMIT, "default": LIMIT_DEFAULT });
    let order = schemas.subschema_for::<Order>();
    let bound = message_id();
    let cursor = json!({ "type": "string", "pattern": "^[0-9a-f]{42}$" });
    let common = [
        query::<UserId>(schemas, "sender", "Sent by this user."),
        query::<MediaRange>(
            schemas,
            "content_type",
            "With content of this type; `image/*` is all of a family.",
        ),
        parameter("before", "query", "With a lower id.", &bound),
        parameter(
            "after",
            "query",
            "With a higher id. `order` alone says which come first.",
            &bound,
        ),
        parameter("since", "query", "Accepted at this time or later, milliseconds UTC.", &time),
        parameter("until", "query", "Accepted before this time, milliseconds UTC.", &time),
        parameter("order", "query", "Which come first; `desc` where none is given.", &order),
        parameter(
            "limit",
            "query",
            "Most messages. There may be fewer although more exist.",
            &limit,
        ),
        parameter(
            "cursor",
            "query",
            "The `next` of the page before. The other parameters but `limit` must be the same.",
            &cursor,
        ),
    ];
    let mut responses = errors(schemas);
    responses["200"] = answer::<Messages>(schemas, "application/json", "A page of messages.");
    let parameters: Vec<_> = own.into_iter().chain(common).collect();
    json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
        "security": [{ "service_token": [scope::READ] }],
    })
}
