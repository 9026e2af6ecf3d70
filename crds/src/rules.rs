//! The rules that values keep. They are written once, in the schema: ranges and CEL expressions. The API
//! server checks them there; where there is none, in local mode, they are checked here.

use std::sync::LazyLock;

use jsonschema::paths::LocationSegment;
use kube::{CustomResourceExt, core::cel};
use serde_json::Value;

use crate::ChatCluster;

/// A value that a rule forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The path of the field: `spec.gateways.replicas`. Empty where the rule is the whole object's.
    pub field: String,
    /// The rule.
    pub reason: String,
}

/// All values of a ChatCluster that a rule forbids. Unknown fields are not looked for.
pub fn validate(object: &Value) -> Vec<Invalid> {
    let Rules { schema, json, cel } = &*RULES;
    let shapes = json.iter_errors(object).map(|error| Invalid {
        field: path(error.instance_path().iter()),
        reason: error.to_string(),
    });
    let rules = cel.validate(schema, object, None).err();
    let rules = rules.into_iter().flat_map(cel::ValidationErrors::into_vec);
    shapes
        .chain(rules.map(|error| Invalid { field: error.field_path, reason: error.message }))
        .collect()
}

struct Rules {
    schema: Value,
    json: jsonschema::Validator,
    cel: cel::Validator,
}

/// The schema of the whole object. A test compiles it, so it cannot fail for a user.
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let version = ChatCluster::crd().spec.versions.swap_remove(0);
    let schema = version.schema.and_then(|schema| schema.open_api_v3_schema);
    let mut schema = serde_json::to_value(schema).expect("a derived schema is JSON");
    whole_numbers(&mut schema);
    let json = jsonschema::validator_for(&schema).expect("a derived schema is one");
    Rules { schema, json, cel: cel::Validator::new() }
});

/// Bounds of a CRD are floats, and "the minimum of 1.0" is no good answer to somebody who wrote 0.
fn whole_numbers(schema: &mut Value) {
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0) {
                *number = (float as i64).into();
            }
        }
        _ => {}
    }
}

fn path<'a>(steps: impl Iterator<Item = LocationSegment<'a>>) -> String {
    let steps: Vec<_> = steps.map(|step| step.to_string()).collect();
    steps.join(".")
}
