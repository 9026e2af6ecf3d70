//! Reading a ChatCluster's file. No I/O.

use std::collections::BTreeMap;

use chatcluster_config::{InvalidYaml, Mistake, from_yaml, line_of};
use chatcluster_crds::{ChatClusterSpec, Invalid, validate};
use serde::Deserialize;
use serde_json::Value;

const API_VERSION: &str = "chatcluster.io/v1alpha1";
const KIND: &str = "ChatCluster";

/// What the file asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) spec: ChatClusterSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: ChatClusterSpec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default = "Metadata::namespace")]
    namespace: String,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

impl Metadata {
    fn namespace() -> String {
        "default".into()
    }
}

/// Reads the file's text. The second part are warnings: fields that mean nothing here.
pub(super) fn read(text: &str) -> Result<(Wanted, Vec<Mistake>), InvalidYaml> {
    let document: Document = from_yaml(text)?;
    let at = |field: &str, reason: String| Mistake {
        line: line_of(text, field),
        reason: format!("{field}: {reason}"),
    };
    let mut mistakes = Vec::new();
    for (field, found, right) in
        [("apiVersion", &document.api_version, API_VERSION), ("kind", &document.kind, KIND)]
    {
        if found != right {
            mistakes.push(at(field, format!("{found:?} is not {right}")));
        }
    }
    let invalid = validate(&from_yaml(text)?);
    mistakes.extend(invalid.into_iter().map(
        |Invalid { field, reason }| match reason.split_once(' ') {
            // A rule of the whole object begins with the field's name.
            Some((named, _)) if field.is_empty() => Mistake { line: line_of(text, named), reason },
            _ => at(&field, reason),
        },
    ));
    if !mistakes.is_empty() {
        return Err(InvalidYaml(mistakes));
    }
    let there = ignored(&from_yaml(text)?);
    let warnings = there.into_iter().map(|field| at(field, "ignored locally".into()));
    let warnings = warnings.collect();
    let Document { metadata: Metadata { name, namespace, .. }, spec, .. } = document;
    Ok((Wanted { name, namespace, spec }, warnings))
}

/// What means something only on Kubernetes.
const IGNORED: [&str; 12] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.auth.jwt.algorithm",
    "spec.auth.jwt.secretRef",
    "spec.gateways.pod",
    "spec.gateways.service",
    "spec.gateways.tls",
    "spec.image",
    "spec.manager.managed.image",
    "spec.manager.managed.pod",
    "spec.messages.embedded",
    "spec.paused",
];

/// The fields of the document that mean something only on Kubernetes.
fn ignored(document: &Value) -> Vec<&'static str> {
    let there = |path: &&str| path.split('.').try_fold(document, |at, name| at.get(name)).is_some();
    IGNORED.into_iter().filter(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "apiVersion: chatcluster.io/v1alpha1\nkind: ChatCluster\nmetadata: {name: main}\n";

    fn error(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn an_empty_spec_is_enough() {
        let (wanted, warnings) = read(&format!("{HEAD}spec: {{}}\n")).unwrap();
        assert_eq!(wanted.name, "main");
        assert_eq!(wanted.namespace, "default");
        assert_eq!(wanted.spec, ChatClusterSpec::default());
        assert_eq!(warnings, []);
    }

    #[test]
    fn a_wrong_field_is_named_with_path_and_line() {
        assert_eq!(
            error(&format!("{HEAD}spec:\n  gateways:\n    replicass: 3\n")),
            "line 6: spec.gateways.replicass: unknown field; \
             there are replicas, connectionsPerPod, drain, limits, webhook, origins, tls, service, pod"
        );
        assert_eq!(
            error(&format!("{HEAD}spec:\n  gateways:\n    replicas: many\n")),
            "line 6: spec.gateways.replicas: invalid type: string \"many\", expected a whole number from 0 to 4294967295"
        );
        assert_eq!(
            error(&format!(
                "{HEAD}spec:\n  gateways: {{replicas: 0}}\n  manager:\n    managed: {{shards: 2}}\n"
            )),
            "line 5: spec.gateways.replicas: 0 is less than the minimum of 1; \
             line 7: spec.manager.managed.shards: 2 is less than the minimum of 3"
        );
        assert_eq!(
            error(&format!("{HEAD}spec:\n  messages: {{engine: Mnesia}}\n")),
            "line 5: spec.messages.engine: unknown variant `Mnesia`, expected `Embedded`"
        );
    }

    #[test]
    fn another_kind_of_object_is_refused() {
        let wrong = error("apiVersion: v1\nkind: Pod\nmetadata: {name: Main}\nspec: {}\n");
        assert_eq!(
            wrong,
            "line 1: apiVersion: \"v1\" is not chatcluster.io/v1alpha1; \
             line 2: kind: \"Pod\" is not ChatCluster; \
             line 3: metadata.name must be 1 to 40 lower-case letters, digits or inner hyphens, since \
             objects and certificates are named after it"
        );
    }

    #[test]
    fn a_field_that_means_nothing_here_is_a_warning_with_its_line() {
        let (_, warnings) = read(&format!(
            "{HEAD}spec:\n  gateways:\n    service: {{type: LoadBalancer}}\n  paused: true\n"
        ))
        .unwrap();
        let [service, paused] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(service.line, Some(6));
        assert_eq!(service.reason, "spec.gateways.service: ignored locally");
        assert_eq!(paused.line, Some(7));
    }
}
