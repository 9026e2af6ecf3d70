//! The OpenAPI 3.1 document: paths, beside the one table of routes that the router is built from.

use chatcluster_runtime::backend::openapi::{answer, document, errors, problem};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{
    messages::{Send, Sent},
    scope,
};

/// Path of messages.
pub(super) const MESSAGES: &str = "/v1/messages";

const ABOUT: &str = "Sending, for backends. Every gateway serves this. Every request carries a service token, \
    as for the message service: a JWT signed by HS256 with `aud`, `exp` and a `scope` that contains what the \
    operation needs, `messages:send`. Unknown parameters are errors.";

/// The document.
pub fn openapi() -> Value {
    document("ChatCluster gateways", ABOUT, paths)
}

fn paths(schemas: &mut SchemaGenerator) -> Value {
    json!({ MESSAGES: { "post": send(schemas) } })
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
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schemas.subschema_for::<Send>() } },
        },
        "responses": responses,
        "security": [{ "service_token": [scope::SEND] }],
    })
}
