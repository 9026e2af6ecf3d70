//! Reading a ChatCluster's file. No I/O.

use std::collections::BTreeMap;

use chatcluster_config::{InvalidYaml, Mistake, from_yaml, line_of};
use chatcluster_crds::{ChatClusterSpec, Invalid, validate};
use serde::Deserialize;

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
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
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
    let warnings = ignored(&document).into_iter().map(|field| at(field, "ignored locally".into()));
    let warnings = warnings.collect();
    let Document { metadata: Metadata { name, namespace, .. }, spec, .. } = document;
    Ok((Wanted { name, namespace, spec }, warnings))
}

/// The fields that mean something only on Kubernetes.
fn ignored(document: &Document) -> Vec<&'static str> {
    let fields = [
        ("metadata.labels", document.metadata.labels.is_some()),
        ("metadata.annotations", document.metadata.annotations.is_some()),
        ("spec.gateways.service", document.spec.gateways.service.is_some()),
    ];
    fields.into_iter().filter_map(|(field, there)| there.then_some(field)).collect()
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
             there are replicas, connectionsPerPod, drain, service"
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
        let (_, warnings) =
            read(&format!("{HEAD}spec:\n  gateways:\n    service: {{type: LoadBalancer}}\n"))
                .unwrap();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(warning.line, Some(6));
        assert_eq!(warning.reason, "spec.gateways.service: ignored locally");
    }
}
