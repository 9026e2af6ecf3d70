//! The AsyncAPI 3 document of the client protocol, seen from the gateway: it receives requests, and
//! sends answers and pushes.

use chatcluster_protocol::{
    SUBPROTOCOL,
    client::{ClientFrame, CloseCode, ServerFrame},
    limits,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Request, the frames that answer it, and what it is for.
const REQUESTS: [(&str, &[&str], &str); 12] = [
    ("hello", &["welcome", "error"], "Open the session. The inbox follows, then `caught_up`."),
    ("send", &["sent", "error"], "Send a message."),
    ("ack", &["error"], "Remove what the device has kept from its inbox. Success has no answer."),
    ("read", &["marked", "error"], "Say how far the user has read a conversation."),
    ("history", &["history_page", "error"], "Read what was said."),
    ("group", &["group_state", "error"], "Read who takes part in a group."),
    ("receipts", &["receipts_told", "error"], "Read who has received and read a message."),
    ("refresh", &["refreshed", "error"], "Let the session go on with a fresh token."),
    ("typing", &["error"], "Say that the user is typing, or has stopped. Success has no answer."),
    ("presence", &["presences", "error"], "Watch who of these users is online."),
    ("privacy", &["privacy_is", "error"], "Set who may see when the user is online, or ask."),
    ("ping", &["pong"], "Ask whether the gateway is still there."),
];

/// Frames that come without a request.
const PUSHES: [(&str, &str); 8] = [
    ("caught_up", "Everything that waited in the inbox has been pushed."),
    ("message", "A message for this device."),
    ("receipt", "How far somebody has received or read a conversation."),
    ("is_typing", "Somebody is typing, or has stopped."),
    ("presences", "Who is online of those who are watched, where it has changed."),
    ("expiring", "The session's token expires soon: a `refresh` is wanted."),
    ("reconnect", "The gateway will close the connection soon."),
    ("error", "Why the connection ends."),
];

pub(crate) fn document() -> String {
    let mut generator = generator();
    let mut messages = Map::new();
    add_messages::<ClientFrame>(&mut generator, &mut messages, |kind| kind.to_owned());
    add_messages::<ServerFrame>(&mut generator, &mut messages, server_name);

    let in_channel: Map<_, _> = messages
        .keys()
        .map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "ChatCluster client protocol",
            "version": "1.0.0",
            "description": "One wss connection per device to any gateway. JSON text frames, one object \
                a frame, tagged by `type`. A request carries the client's `id`, and its answer carries \
                the same; a push carries none. Unknown fields are ignored.\n",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "localhost:8443",
                "protocol": "wss",
                "protocolVersion": "13",
                "description": format!("Any gateway. Ask for the subprotocol `{SUBPROTOCOL}`."),
            },
        },
        "channels": {
            "connection": {
                "address": "/",
                "title": "A device's connection",
                "messages": in_channel,
                "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } },
                "x-limits": {
                    "clientFrameBytes": limits::CLIENT_FRAME,
                    "serverFrameBytes": limits::SERVER_FRAME,
                    "helloWithinMilliseconds": limits::HELLO_WITHIN,
                },
                "x-close-codes": close_codes(),
            },
        },
        "operations": operations(),
        "components": { "messages": messages, "schemas": generator.take_definitions(true) },
    });
    format!(
        "# Generated from the types in protocol/src/client by `make generate`.\n{}",
        serde_yaml::to_string(&document).unwrap()
    )
}

/// AsyncAPI reads JSON Schema of draft 7.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator()
}

/// The answers to `history`, `group`, `receipts`, `presence` and `privacy` have the types of their requests, and so
/// has the push of `typing`; within the document they need names of their own.
fn server_name(kind: &str) -> String {
    match kind {
        "history" => "history_page".into(),
        "group" => "group_state".into(),
        "receipts" => "receipts_told".into(),
        "typing" => "is_typing".into(),
        "presence" => "presences".into(),
        "privacy" => "privacy_is".into(),
        other => other.into(),
    }
}

fn add_messages<Frame: JsonSchema>(
    generator: &mut SchemaGenerator,
    messages: &mut Map<String, Value>,
    name: impl Fn(&str) -> String,
) {
    let schema = generator.root_schema_for::<Frame>().to_value();
    for frame in schema["oneOf"].as_array().unwrap() {
        let kind = frame["properties"]["type"]["const"].as_str().unwrap();
        let message = json!({
            "name": kind,
            "summary": frame["description"],
            "payload": frame,
        });
        assert!(messages.insert(name(kind), message).is_none(), "two messages named {kind}");
    }
}

fn operations() -> Value {
    let reference =
        |name: &str| json!({ "$ref": format!("#/channels/connection/messages/{name}") });
    let channel = json!({ "$ref": "#/channels/connection" });
    let mut operations = Map::new();
    for (request, answers, summary) in REQUESTS {
        let answers: Vec<_> = answers.iter().map(|name| reference(name)).collect();
        let operation = json!({
            "action": "receive",
            "summary": summary,
            "channel": channel,
            "messages": [reference(request)],
            "reply": { "channel": channel, "messages": answers },
        });
        operations.insert(format!("request_{request}"), operation);
    }
    for (push, summary) in PUSHES {
        let operation = json!({
            "action": "send",
            "summary": summary,
            "channel": channel,
            "messages": [reference(push)],
        });
        operations.insert(format!("push_{push}"), operation);
    }
    Value::Object(operations)
}

fn close_codes() -> Value {
    CloseCode::ALL
        .iter()
        .map(|close| (close.code().to_string(), close.reason().into()))
        .collect::<Map<_, _>>()
        .into()
}
