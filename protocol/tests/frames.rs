//! What a client may write, and what it is told when it writes something else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use chatcluster_protocol::{
    client::{ClientFrame, Error, ErrorCode, ServerFrame, decode},
    limits,
};
use serde_json::{Value, json};

const ID: &str = "0193a2c4-7b10-7abc-8def-0123456789ab";

const GROUP: &str = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b";

const CHANGE: &str = "application/vnd.chatcluster.group+json";

const CONVERSATION: &str = "884a4521-52d3-8f04-8cc0-51df8f708aff";

fn valid_frames() -> Vec<Value> {
    vec![
        json!({ "type": "hello", "id": 1, "token": "a.b.c", "device": "phone" }),
        json!({ "type": "hello", "id": 1, "token": "a.b.c", "device": "phone",
                "resume": { "highest": ID, "epoch": 7 }, "from_the_future": true }),
        json!({ "type": "send", "id": 2, "ref": "r-1", "to": { "user": "bob" }, "content": { "body": "hi" } }),
        json!({ "type": "send", "id": 2, "ref": "r-1", "to": { "user": "bob" },
                "content": { "type": "image/png", "body": "iVBORw==" } }),
        json!({ "type": "ack", "messages": [ID] }),
        json!({ "type": "ack", "id": 3, "receipts": [ID] }),
        json!({ "type": "read", "id": 4, "conversation": CONVERSATION, "up_to": ID }),
        json!({ "type": "history", "id": 4, "user": "bob" }),
        json!({ "type": "history", "id": 4, "conversation": ID, "before": ID, "limit": 100, "sender": "bob" }),
        json!({ "type": "history", "id": 4, "user": "bob", "after": ID, "content_type": "image/*",
                "since": 0, "until": 281_474_976_710_655_u64 }),
        json!({ "type": "history", "id": 4, "user": "bob", "content_type": "image/png" }),
        json!({ "type": "send", "id": 2, "ref": "r-1", "to": { "group": GROUP }, "content": { "body": "hi" } }),
        json!({ "type": "send", "id": 2, "ref": "r-1", "to": { "group": GROUP },
                "content": { "type": CHANGE, "body": r#"{"add":["bob"]}"# } }),
        json!({ "type": "group", "id": 4, "group": GROUP }),
        json!({ "type": "receipts", "id": 4, "message": ID }),
        json!({ "type": "receipts", "id": 4, "message": ID, "members": true }),
        json!({ "type": "refresh", "id": 5, "token": "a.b.c" }),
        json!({ "type": "typing", "to": { "user": "bob" } }),
        json!({ "type": "typing", "id": 6, "to": { "user": "bob" }, "active": false }),
        json!({ "type": "presence", "id": 7, "users": ["bob", "carol"] }),
        json!({ "type": "privacy", "id": 8 }),
        json!({ "type": "privacy", "id": 8, "presence_to": "nobody" }),
        json!({ "type": "ping", "id": 9_007_199_254_740_991_u64 }),
    ]
}

/// Frames with one thing wrong each: the code, the field, and words that the text must have.
fn wrong_frames() -> Vec<(Value, ErrorCode, Option<&'static str>, &'static str)> {
    use ErrorCode::{BadField, UnknownType};
    let send = |key: &str, value: Value| {
        let mut frame = json!({ "type": "send", "id": 2, "ref": "r", "to": { "user": "bob" }, "content": { "body": "hi" } });
        frame[key] = value;
        frame
    };
    let history = |extra: Value| {
        let mut frame = json!({ "type": "history", "id": 4 });
        frame.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        frame
    };
    let ids = |n: usize| vec![ID; n];
    vec![
        (
            json!({ "type": "shout", "id": 1 }),
            UnknownType,
            None,
            "hello, send, ack, read, history, group, receipts, refresh, typing, presence, privacy or ping",
        ),
        (
            json!({ "type": "presence", "id": 1, "users": vec!["bob"; 101] }),
            BadField,
            Some("users"),
            "at most 100 users",
        ),
        (
            json!({ "type": "presence", "id": 1, "users": ["bob", "no one"] }),
            BadField,
            Some("users[1]"),
            "a user id must be",
        ),
        (
            json!({ "type": "privacy", "id": 1, "presence_to": "friends" }),
            BadField,
            Some("presence_to"),
            "`nobody`, `contacts`, `everybody`",
        ),
        (json!({ "type": "ping" }), BadField, Some("id"), "missing field"),
        (json!({ "type": "ping", "id": -1 }), BadField, Some("id"), "a whole number, 0 or more"),
        (
            json!({ "type": "ping", "id": 9_007_199_254_740_992_u64 }),
            BadField,
            Some("id"),
            "9007199254740991",
        ),
        (
            json!({ "type": "hello", "id": 1, "token": "t" }),
            BadField,
            Some("device"),
            "missing field",
        ),
        (
            json!({ "type": "hello", "id": 1, "token": "t".repeat(8193), "device": "d" }),
            BadField,
            Some("token"),
            "8192",
        ),
        (
            json!({ "type": "hello", "id": 1, "token": "t", "device": "d", "resume": { "highest": "x" } }),
            BadField,
            Some("resume.highest"),
            "UUID of version 7",
        ),
        (json!({ "type": "refresh", "id": 1 }), BadField, Some("token"), "missing field"),
        (
            json!({ "type": "refresh", "id": 1, "token": "t".repeat(8193) }),
            BadField,
            Some("token"),
            "8192",
        ),
        (send("ref", json!("")), BadField, Some("ref"), "1 to 64 characters"),
        (send("to", json!({ "user": "b ob" })), BadField, Some("to.user"), "1 to 128 characters"),
        (
            send("to", json!({ "planet": "mars" })),
            BadField,
            Some("to"),
            "expected `user` or `group`",
        ),
        (send("to", json!({ "group": CONVERSATION })), BadField, Some("to.group"), "version 4"),
        (
            json!({ "type": "typing", "to": { "group": GROUP } }),
            BadField,
            Some("to"),
            "expected `user` and nothing",
        ),
        (json!({ "type": "group", "id": 4 }), BadField, Some("group"), "missing field"),
        (
            json!({ "type": "group", "id": 4, "group": CONVERSATION }),
            BadField,
            Some("group"),
            "version 4",
        ),
        (json!({ "type": "receipts", "id": 4 }), BadField, Some("message"), "missing field"),
        (
            json!({ "type": "receipts", "id": 4, "message": ID, "members": "all" }),
            BadField,
            Some("members"),
            "expected a boolean",
        ),
        (send("to", json!({})), BadField, Some("to"), "expected `user` or `group` and nothing"),
        (
            send("to", json!({ "user": "bob", "via": "x" })),
            BadField,
            Some("to"),
            "expected `user` or `group` and nothing",
        ),
        (send("to", json!("bob")), BadField, Some("to"), "expected `user` or `group` and nothing"),
        (send("id", json!("a")), BadField, Some("id"), "expected a whole number"),
        (history(json!({ "user": "bob", "limit": "x" })), BadField, Some("limit"), "whole number"),
        (send("content", json!("x")), BadField, Some("content"), "expected an object"),
        (send("content", json!({})), BadField, Some("content.body"), "missing field"),
        (
            send("content", json!({ "body": "x".repeat(32769) })),
            BadField,
            Some("content.body"),
            "32768 bytes",
        ),
        (
            send("content", json!({ "type": "text", "body": "" })),
            BadField,
            Some("content.type"),
            "media type",
        ),
        (
            json!({ "type": "ack", "messages": ["nope"] }),
            BadField,
            Some("messages[0]"),
            "UUID of version 7",
        ),
        (json!({ "type": "ack", "messages": ids(257) }), BadField, Some("messages"), "256"),
        (json!({ "type": "ack", "receipts": ids(257) }), BadField, Some("receipts"), "256"),
        (
            json!({ "type": "read", "id": 4, "conversation": 1, "up_to": ID }),
            BadField,
            Some("conversation"),
            "expected",
        ),
        (
            json!({ "type": "read", "id": 4, "conversation": CONVERSATION, "up_to": CONVERSATION }),
            BadField,
            Some("up_to"),
            "UUID of version 7",
        ),
        (
            json!({ "type": "read", "id": 4, "conversation": CONVERSATION }),
            BadField,
            Some("up_to"),
            "missing field",
        ),
        (history(json!({})), BadField, Some("conversation"), "either"),
        (
            history(json!({ "user": "bob", "conversation": ID })),
            BadField,
            Some("conversation"),
            "either",
        ),
        (
            history(json!({ "user": "bob", "before": ID, "after": ID })),
            BadField,
            Some("after"),
            "either",
        ),
        (history(json!({ "user": "bob", "limit": 0 })), BadField, Some("limit"), "1 to 100"),
        (history(json!({ "user": "bob", "limit": 101 })), BadField, Some("limit"), "1 to 100"),
        (
            history(json!({ "user": "bob", "content_type": "image" })),
            BadField,
            Some("content_type"),
            "image/* for all of a family",
        ),
        (
            history(json!({ "user": "bob", "since": 281_474_976_710_656_u64 })),
            BadField,
            Some("since"),
            "281474976710655",
        ),
        (
            history(json!({ "user": "bob", "until": 281_474_976_710_656_u64 })),
            BadField,
            Some("until"),
            "281474976710655",
        ),
        (history(json!({ "user": "bob", "until": -1 })), BadField, Some("until"), "whole number"),
    ]
}

#[test]
fn a_valid_frame_is_read_and_written_the_same() {
    for frame in valid_frames() {
        let read = decode(&frame.to_string()).unwrap_or_else(|error| panic!("{frame}: {error:?}"));
        assert_eq!(decode(&read.encode()).unwrap(), read, "{frame}");
    }
}

#[test]
fn a_wrong_frame_is_refused_with_the_name_of_its_field() {
    for (frame, code, field, words) in wrong_frames() {
        let error = decode(&frame.to_string()).expect_err(&frame.to_string());
        assert_eq!((error.code, error.field.as_deref()), (code, field), "{frame}: {}", error.text);
        assert!(error.text.contains(words), "{:?} should contain {words:?}", error.text);
        assert!(!error.temporary);
    }
}

#[test]
fn the_schema_and_the_decoder_agree() {
    let schema = serde_json::to_value(schemars::schema_for!(ClientFrame)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for frame in valid_frames() {
        assert!(validator.is_valid(&frame), "the schema refuses {frame}");
    }
    for (frame, _, field, _) in wrong_frames() {
        // JSON Schema counts characters, the protocol bytes; the token's limit it knows.
        assert!(!validator.is_valid(&frame), "the schema accepts a wrong {field:?}: {frame}");
    }
}

#[test]
fn a_change_of_a_group_is_read_where_it_is_sent() {
    let send = |to: Value, body: &str| json!({ "type": "send", "id": 7, "ref": "r", "to": to, "content": { "type": CHANGE, "body": body } });
    let group = || json!({ "group": GROUP });
    for (frame, field, words) in [
        (send(group(), "{}"), "content.body", "expected"),
        (send(group(), r#"{"add":[]}"#), "content.body.add", "1 to 100 users"),
        (send(group(), r#"{"rename":""}"#), "content.body.rename", "1 to 128 characters"),
        (send(json!({ "user": "bob" }), r#"{"add":["bob"]}"#), "to.user", "goes to a `group`"),
    ] {
        let error = decode(&frame.to_string()).expect_err(&frame.to_string());
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadField, Some(field)));
        assert_eq!(error.id.map(|id| id.get()), Some(7));
        assert!(error.text.contains(words), "{:?} should contain {words:?}", error.text);
    }
}

#[test]
fn an_error_carries_the_id_and_the_reference_of_its_request() {
    let error =
        decode(r#"{"type":"send","id":7,"ref":"r-9","to":{"user":""},"content":{"body":""}}"#)
            .unwrap_err();
    assert_eq!(error.id.map(|id| id.get()), Some(7));
    assert_eq!(error.reference.unwrap().as_str(), "r-9");
}

#[test]
fn an_id_that_is_none_is_told_in_plain_words() {
    let error = decode(r#"{"type":"history","id":4,"conversation":"x"}"#).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("conversation"));
    assert_eq!(error.text, "a conversation must be a UUID");
}

#[test]
fn what_is_no_frame_ends_the_connection() {
    for text in
        ["", "hello", "[]", "{}", r#"{"type":7}"#, r#"{"type":"ping","id":1"#, &"[".repeat(60_000)]
    {
        let error = decode(text).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadFrame, "{text:.20}");
        assert!(error.code.close().is_some());
    }
    assert_eq!(decode("[]").unwrap_err().text, "a frame is a JSON object with a `type`");
}

#[test]
fn clients_ignore_what_a_newer_gateway_sends() {
    let frame: ServerFrame =
        serde_json::from_str(r#"{"type":"fireworks","colour":"red"}"#).unwrap();
    assert_eq!(frame, ServerFrame::Unknown);
    let error: ServerFrame =
        serde_json::from_str(r#"{"type":"error","code":"brand_new","text":"?","temporary":true}"#)
            .unwrap();
    let ServerFrame::Error(Error { code: ErrorCode::Other, temporary: true, .. }) = error else {
        panic!("{error:?}");
    };
}

#[test]
fn the_largest_body_fits_into_a_client_frame() {
    let body = "x".repeat(limits::BODY);
    let frame = json!({ "type": "send", "id": 1, "ref": "r".repeat(64), "to": { "user": "u".repeat(128) },
                        "content": { "type": "text/plain", "body": body } });
    assert!(frame.to_string().len() <= limits::CLIENT_FRAME);
}
