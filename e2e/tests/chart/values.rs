//! Every value has a default, a place in the schema, and an effect.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Map, Value, json};

use crate::world::{file, rendered};

/// A value, by the names that lead to it.
type Path = Vec<String>;

#[test]
fn every_value_of_the_schema_has_a_default() {
    let schema = file("../charts/chatcluster-operator/values.schema.json");
    let defaults = file("../charts/chatcluster-operator/values.yaml");
    for path in leaves(&defaults) {
        let (name, parents) = path.split_last().unwrap();
        let mut known = &schema["properties"];
        for parent in parents {
            let field = &known[parent];
            let shared = field["$ref"].as_str().map(|link| link.trim_start_matches('#'));
            known = &shared.map_or(field, |link| schema.pointer(link).unwrap())["properties"];
        }
        // What is below resources is Kubernetes' own.
        let ours = parents.first().is_none_or(|first| first != "resources");
        assert!(!ours || known[name].is_object(), "{path:?} is not in the schema");
        for name in known.as_object().into_iter().flatten().map(|(name, _)| name) {
            let path = [parents, std::slice::from_ref(name)].concat();
            // Helm's own, and what Kubernetes seldom has.
            let other = matches!(name.as_str(), "global" | "claims");
            assert!(other || at(&defaults, &path).is_some(), "{path:?} has no default");
        }
    }
}

#[test]
fn every_value_changes_what_is_rendered() {
    let defaults = file("../charts/chatcluster-operator/values.yaml");
    let changed = file("tests/chart/changed.yaml");
    let mut effects = String::new();
    for path in leaves(&defaults) {
        let value = at(&changed, &path);
        let value = value.unwrap_or_else(|| panic!("changed.yaml has no {}", path.join(".")));
        assert_ne!(Some(value), at(&defaults, &path), "{} is the default", path.join("."));
        let mut base = needed(&path);
        let before = with_values(&base);
        put(&mut base, &path, value.clone());
        let after = with_values(&base);
        writeln!(effects, "{}: {value}", path.join(".")).unwrap();
        effects += &differences(&before, &after);
        assert_ne!(before, after, "{} has no effect", path.join("."));
    }
    insta::assert_snapshot!(effects);
}

/// What else has to be set for a value to have an effect.
fn needed(path: &[String]) -> Value {
    match path.join(".").as_str() {
        "serviceAccount.create" => json!({ "serviceAccount": { "name": "another" } }),
        "serviceMonitor.interval" | "serviceMonitor.labels" => {
            json!({ "serviceMonitor": { "enabled": true } })
        }
        _ => json!({}),
    }
}

/// The paths of all values that are no group of others.
fn leaves(values: &Value) -> Vec<Path> {
    let Some(group) = values.as_object().filter(|group| !group.is_empty()) else {
        return vec![Path::new()];
    };
    let mut paths = Vec::new();
    for (name, value) in group {
        paths.extend(leaves(value).into_iter().map(|path| [vec![name.clone()], path].concat()));
    }
    paths
}

fn at<'a>(values: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(values, |values, name| values.get(name))
}

fn put(values: &mut Value, path: &[String], value: Value) {
    let (name, parents) = path.split_last().unwrap();
    let group = parents.iter().fold(values, |values, parent| {
        let group = values.as_object_mut().unwrap().entry(parent.clone());
        group.or_insert_with(|| Value::Object(Map::new()))
    });
    group[name.as_str()] = value;
}

/// Each object's lines, by its kind and name.
type Objects = BTreeMap<String, Vec<String>>;

fn with_values(values: &Value) -> Objects {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, values.to_string()).unwrap(); // JSON is YAML
    let mut flags = vec!["--values".to_owned(), file.display().to_string()];
    // A flag sets one, and flags win.
    let image = values["image"]["repository"].as_str();
    flags.extend(image.map(|image| format!("--set=image.repository={image}")));
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    rendered(&flags).split("\n---\n").map(lines_of).collect()
}

fn lines_of(text: &str) -> (String, Vec<String>) {
    let object: Value = serde_yaml::from_str(text).unwrap();
    let field = |path| object.pointer(path).and_then(Value::as_str);
    let place = field("/metadata/namespace").map(|place| format!("{place}/")).unwrap_or_default();
    let name = [field("/kind").unwrap(), " ", &place, field("/metadata/name").unwrap()].concat();
    // The schema is a long one.
    let is_definition = name.starts_with("CustomResourceDefinition");
    let text = if is_definition { text.split("\nspec:\n").next().unwrap() } else { text };
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
    (name, lines.map(str::to_owned).collect())
}

/// Which objects came and went, and which lines in those that stayed.
fn differences(before: &Objects, after: &Objects) -> String {
    let mut text = String::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        writeln!(text, "  - {name}").unwrap();
    }
    for (name, now) in after.iter().filter(|(name, now)| before.get(*name) != Some(now)) {
        writeln!(text, "  {} {name}", if before.contains_key(name) { ' ' } else { '+' }).unwrap();
        let then = before.get(name).map(Vec::as_slice).unwrap_or_default();
        for (sign, lines) in [('-', without(then, now)), ('+', without(now, then))] {
            for line in lines {
                writeln!(text, "      {sign} {line}").unwrap();
            }
        }
    }
    text
}

/// The lines of one that are not in the other, each as often as it is there more often.
fn without<'a>(one: &'a [String], other: &[String]) -> Vec<&'a String> {
    let mut left: Vec<_> = other.iter().collect();
    let mut lines = one.iter().collect::<Vec<_>>();
    lines.retain(|line| match left.iter().position(|other| other == line) {
        Some(place) => {
            left.remove(place);
            false
        }
        None => true,
    });
    lines
}
