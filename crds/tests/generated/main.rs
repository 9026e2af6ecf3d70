//! `crds/chatcluster.yaml` and `docs/api.md` are what the types say, and the chart's copy and README are
//! current. `make generate` writes them.
#![allow(clippy::unwrap_used)] // in the helpers too

mod chart;
mod reference;

use chatcluster_crds::ChatCluster;
use expect_test::expect_file;
use kube::CustomResourceExt;

#[test]
fn the_committed_yaml_is_what_the_types_say() {
    let yaml = serde_yaml::to_string(&ChatCluster::crd()).unwrap();
    let head =
        "# Generated from crds/src. UPDATE_EXPECT=1 cargo test -p chatcluster-crds writes it.\n";
    let text = format!("{head}{yaml}");
    expect_file!["../../chatcluster.yaml"].assert_eq(&text);
    // A chart has no files of elsewhere.
    expect_file!["../../../charts/chatcluster-operator/files/chatcluster.yaml"].assert_eq(&text);
}

#[test]
fn the_committed_reference_is_what_the_types_say() {
    let crd = serde_json::to_value(ChatCluster::crd()).unwrap();
    expect_file!["../../../docs/api.md"].assert_eq(&reference::markdown(&crd));
}

#[test]
fn the_charts_readme_is_what_its_values_say() {
    let values = include_str!("../../../charts/chatcluster-operator/values.yaml");
    let readme = expect_file!["../../../charts/chatcluster-operator/README.md"];
    readme.assert_eq(&chart::readme(values));
}
