//! Schemas that are not derived.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Durations as [`chatcluster_config::GoDuration`] reads them. Not `format: duration`: that one lets days
/// through, which Kubernetes' own duration type then refuses. The length bounds what the rule may cost.
pub(crate) fn duration_up_to_1h(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) <= duration('1h')",
            "message": "must be hours, minutes and seconds as in 1h30m, at most 1h in all",
        }],
    })
}
