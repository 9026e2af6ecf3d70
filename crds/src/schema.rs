//! Schemas that are not derived.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

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

/// The same, from one day to a hundred years.
pub(crate) fn duration_from_1d(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('24h') \
                     && duration(self) <= duration('876000h')",
            "message": "must be hours, minutes and seconds as in 720h, at least 24h and at most 876000h in all",
        }],
    })
}

/// An address for requests. The length bounds what the rule may cost.
pub(crate) fn http_url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 2048,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^https?://[^/ ]+(/[^ ]*)?$')",
            "message": "must be an http:// or https:// URL with a host",
        }],
    })
}

/// Certificates of authorities.
pub(crate) fn ca_bundle(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 65536,
        "x-kubernetes-validations": [{
            "rule": "self.startsWith('-----BEGIN CERTIFICATE-----')",
            "message": "must be certificates in PEM",
        }],
    })
}

/// A `u32` without its format, which Kubernetes does not know and warns of.
pub(crate) fn whole_number(schema: &mut Schema) {
    schema.remove("format");
}

/// The size of a volume, as Kubernetes writes it. The length bounds what the rules may cost.
pub(crate) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": "isQuantity(self) && quantity(self).compareTo(quantity('1Mi')) >= 0",
            "message": "must be a size of at least 1Mi, such as 10Gi",
        }],
    })
}

/// One of Kubernetes' own types, without its descriptions: `kubectl explain pod.spec` has them, and they
/// would be most of the resource.
pub(crate) fn of_pods<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator).to_value();
    without_descriptions(&mut schema);
    schema.try_into().expect("a schema without its descriptions is one")
}

/// A list of one of Kubernetes' own types.
pub(crate) fn list_of_pods<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": 64, "items": of_pods::<T>(generator) })
}

fn without_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A *field* of that name has an object for its value.
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}
