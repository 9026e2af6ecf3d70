//! The chart, and ways to have Helm render and install it.

use std::path::Path;

use anyhow::Result;
use chatcluster_e2e::{ApiServer, Helm, Namespace};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

/// The chart's folder.
pub(crate) const CHART: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/chatcluster-operator");

/// The release, the Deployment, and its account.
pub(crate) const NAME: &str = "chatcluster-operator";

/// The one value that every release needs.
pub(crate) const IMAGE: &str = "--set=image.repository=registry.example/chatcluster";

/// `helm template` with an image and with these flags.
pub(crate) fn rendered(flags: &[&str]) -> String {
    let fixed = ["template", NAME, CHART, "--namespace=chatcluster-system", IMAGE];
    Helm::alone().unwrap().run(&[&fixed[..], flags].concat()).unwrap()
}

/// The same, as objects.
pub(crate) fn objects(flags: &[&str]) -> Vec<Value> {
    documents(&rendered(flags))
}

/// The objects in a text of several.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    let objects = documents.map(|document| Value::deserialize(document).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}

/// A file of the repository, as an object.
pub(crate) fn file(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The same with all numbers as floats, since some programs write 1.0 as 1.
pub(crate) fn with_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().and_then(Number::from_f64).into(),
        Value::Array(items) => items.iter().map(with_floats).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.clone(), with_floats(field)));
            Value::Object(Map::from_iter(fields))
        }
        other => other.clone(),
    }
}

/// Does something to a release of the chart in a namespace of the API server.
pub(crate) fn helm(namespace: &Namespace, arguments: &[&str]) -> Result<String> {
    let helm = Helm::on(ApiServer::shared().kubeconfig())?;
    helm.run(&[arguments, &["--namespace", namespace.name()]].concat())
}

/// Installs the chart without the resource's definition, which is one for all tests of a server.
pub(crate) fn install(namespace: &Namespace, flags: &[&str]) {
    let fixed = ["install", NAME, CHART, IMAGE, "--set=crds.enabled=false"];
    helm(namespace, &[&fixed[..], flags].concat()).unwrap();
}

/// What kubectl says.
pub(crate) fn kubectl(arguments: &[&str]) -> Result<String, String> {
    let output = ApiServer::shared().kubectl().args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
