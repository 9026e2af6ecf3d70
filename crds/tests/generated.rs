//! `crds/chatcluster.yaml` is what the types say. `UPDATE_EXPECT=1 cargo test -p chatcluster-crds` writes it.

use chatcluster_crds::ChatCluster;
use expect_test::expect_file;
use kube::CustomResourceExt;

#[test]
fn the_committed_yaml_is_what_the_types_say() {
    let yaml = serde_yaml::to_string(&ChatCluster::crd()).unwrap();
    let head =
        "# Generated from crds/src. UPDATE_EXPECT=1 cargo test -p chatcluster-crds writes it.\n";
    expect_file!["../chatcluster.yaml"].assert_eq(&format!("{head}{yaml}"));
}
