//! `spec.messages`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The message service: inboxes and archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Messages {
    /// What keeps the messages. Default Embedded.
    pub engine: Engine,
}

/// What keeps the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// One replica on one volume: every message is on disk before it is confirmed, and nobody is served
    /// while its machine is away. For one machine, development and tests.
    #[default]
    Embedded,
}
