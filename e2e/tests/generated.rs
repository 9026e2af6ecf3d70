//! The chart's README is what its values say. `make generate` writes it.
#![allow(clippy::unwrap_used)] // in the helpers too

use std::process::Command;

use chatcluster_e2e::helm_docs;
use expect_test::expect_file;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/chatcluster-operator");

#[test]
fn the_committed_readme_is_what_the_values_say() {
    let readme = readme();
    let undescribed: Vec<_> = readme.lines().filter(|line| line.ends_with("|  |")).collect();
    assert!(undescribed.is_empty(), "values without a comment `# -- …`: {undescribed:#?}");
    expect_file![format!("{CHART}/README.md")].assert_eq(&readme);
}

fn readme() -> String {
    let mut docs = Command::new(helm_docs().built().unwrap());
    // In the order of the file, where related values are together.
    docs.args(["--dry-run", "--sort-values-order=file", "--chart-search-root", CHART]);
    let output = docs.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("level=warning"), "{docs:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
