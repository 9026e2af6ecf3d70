//! Schemas that are not derived.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Durations as [`chatcluster_config::GoDuration`] reads them. Not `format: duration`: that one lets days
/// through, which Kubernetes' own duration type then refuses.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^([0-9]+(h|m|s|ms))+$" })
}
