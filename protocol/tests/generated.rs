//! The schemas and the AsyncAPI document beside the types are what the types say.
//! `make generate` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "generated/asyncapi.rs"]
mod asyncapi;

use chatcluster_protocol::client::{ClientFrame, GroupChange, ServerFrame};
use expect_test::expect_file;
use schemars::{JsonSchema, schema_for};

fn schema<T: JsonSchema>() -> String {
    let json = serde_json::to_string_pretty(&schema_for!(T)).unwrap();
    json + "\n"
}

#[test]
fn schema_of_client_frames() {
    expect_file!["../schemas/client-frame.json"].assert_eq(&schema::<ClientFrame>());
}

#[test]
fn schema_of_server_frames() {
    expect_file!["../schemas/server-frame.json"].assert_eq(&schema::<ServerFrame>());
}

#[test]
fn schema_of_changes_of_groups() {
    expect_file!["../schemas/group-change.json"].assert_eq(&schema::<GroupChange>());
}

#[test]
fn asyncapi_document() {
    expect_file!["../asyncapi.yaml"].assert_eq(&asyncapi::document());
}
