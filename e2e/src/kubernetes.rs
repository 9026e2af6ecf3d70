//! Kubernetes and etcd, from the Go module in `e2e/kubernetes/`.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{Program, program::Source};

const GO_MOD: &str = include_str!("../kubernetes/go.mod");

/// One program that is every part of Kubernetes, and etcd. See [`part`].
pub fn kubernetes() -> Program {
    let version = version();
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let base = "k8s.io/component-base/version";
    Program {
        name: "kubernetes",
        title: format!("Kubernetes {} (about 6 minutes, once)", version.trim_start_matches('v')),
        source: Source::GoFiles(&[
            ("main.go", include_str!("../kubernetes/main.go")),
            ("go.mod", GO_MOD),
            ("go.sum", include_str!("../kubernetes/go.sum")),
        ]),
        variables: vec![
            format!("{base}.gitVersion={version}"),
            format!("{base}.gitMajor={major}"),
            format!("{base}.gitMinor={minor}"),
        ],
    }
}

/// A command of the part named `name`: `etcd`, `kube-apiserver`, `kubectl` and so on.
pub(crate) fn part(name: &str) -> Result<Command> {
    let mut command = Command::new(kubernetes().built().context("Kubernetes for the tests")?);
    command.arg(name);
    Ok(command)
}

/// The same with flags, given without their dashes.
pub(crate) fn part_with(name: &str, flags: &[Vec<String>]) -> Result<Command> {
    let mut command = part(name)?;
    command.args(flags.iter().flatten().map(|flag| format!("--{flag}")));
    Ok(command)
}

/// The version that go.mod requires, like `v1.36.3`.
fn version() -> &'static str {
    let required = |line: &'static str| line.trim().strip_prefix("k8s.io/kubernetes ");
    GO_MOD.lines().find_map(required).expect("go.mod requires k8s.io/kubernetes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_go_mod() {
        let parts: Vec<_> = version().split('.').collect();
        assert!(matches!(parts[..], ["v1", minor, _] if minor.parse::<u32>().is_ok()), "{parts:?}");
        assert!(kubernetes().title.contains(&version()[1..]));
    }
}
