//! The reference of the resource, as Markdown: one table for each object in the schema.

use std::fmt::Write;

use serde_json::{Value, json};

const HEAD: &str = "\
<!-- Generated from crds/src. `make generate` writes it. -->
# The ChatCluster resource

What a `ChatCluster` may say. `chatcluster-operator local FILE` reads it from a file, and
`crds/chatcluster.yaml` describes it to Kubernetes, where `kubectl explain chatcluster.spec` says what is
said here. Every field of `spec` has a default or may be left out: `spec: {}` is a working ChatCluster.

";

/// All of it.
pub(crate) fn markdown(crd: &Value) -> String {
    let version = &crd["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let (group, name) = (text(&crd["spec"]["group"]), text(&version["name"]));
    let mut out = HEAD.to_owned();
    writeln!(out, "`apiVersion: {group}/{name}`, `kind: ChatCluster`\n").unwrap();
    for rule in rules(schema) {
        writeln!(out, "- {rule}").unwrap();
    }
    for part in ["spec", "status"] {
        object(&mut out, part, &schema["properties"][part]);
    }
    out
}

fn object(out: &mut String, path: &str, schema: &Value) {
    writeln!(out, "\n## `{path}`\n\n{}\n", line(&schema["description"])).unwrap();
    writeln!(out, "| field | type | default | what it is |\n|---|---|---|---|").unwrap();
    let mut inner = Vec::new();
    for (name, field) in schema["properties"].as_object().unwrap() {
        let documented = |field: &Value| !text(&field["description"]).is_empty();
        // The fields of Kubernetes' own types have no descriptions here.
        let own = |field: &Value| {
            let fields = field["properties"].as_object();
            fields.is_some_and(|fields| fields.values().all(documented))
        };
        let (name, nested) = match own(field) {
            true => {
                let path = format!("{path}.{name}");
                let anchor: String = path.chars().filter(char::is_ascii_alphanumeric).collect();
                let link = format!("[`{name}`](#{})", anchor.to_lowercase());
                (link, Some((path, field)))
            }
            false => (format!("`{name}`"), None),
        };
        let what = line(&field["description"]);
        let default = match (&nested, &field["default"]) {
            (Some(_), _) | (None, Value::Null) => String::new(),
            (None, default) if default == "" || default == &json!([]) => String::new(),
            (None, default) => format!("`{default}`").replace('"', ""),
        };
        writeln!(out, "| {name} | {} | {default} | {what} |", kind(field)).unwrap();
        inner.extend(nested);
    }
    for (path, schema) in inner {
        object(out, &path, schema);
    }
}

fn kind(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<_> = values.iter().filter(|value| !value.is_null()).map(text).collect();
        return values.join(", ");
    }
    let bound = |name: &str| field[name].as_f64();
    match (text(&field["type"]), bound("minimum"), bound("maximum")) {
        ("integer", Some(least), Some(most)) => format!("{least} to {most}"),
        ("array", ..) => format!("list of {}", text(&field["items"]["type"])),
        ("object", ..) if field["additionalProperties"].is_object() => "map".to_owned(),
        (kind, ..) => kind.to_owned(),
    }
}

fn rules(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = schema["x-kubernetes-validations"].as_array();
    rules.into_iter().flatten().map(|rule| text(&rule["message"]))
}

/// A description in one line of a table.
fn line(description: &Value) -> String {
    text(description).replace('\n', " ").replace('|', "\\|")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
