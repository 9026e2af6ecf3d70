//! Helm for tests: with a home of its own, and without the settings of whoever runs it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{run::output_of, tools};

/// Helm, and the cluster it works on.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    home: TempDir,
    kubeconfig: PathBuf,
}

impl Helm {
    /// Helm without a cluster: it can render and lint. Builds it if the cache has none.
    pub fn alone() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("chatcluster-helm-").tempdir();
        let home = home.context("make a home for Helm")?;
        let kubeconfig = home.path().join("no-cluster");
        Ok(Self { program: tools::helm().built()?, home, kubeconfig })
    }

    /// Helm on the cluster of a kubeconfig.
    pub fn on(kubeconfig: &Path) -> Result<Self> {
        Ok(Self { kubeconfig: kubeconfig.to_owned(), ..Self::alone()? })
    }

    /// Runs it to its end, and returns what it printed. A failure says what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        output_of(self.command().args(arguments))
    }

    /// Helm, without arguments yet.
    pub fn command(&self) -> Command {
        let mut helm = Command::new(&self.program);
        let theirs = env::vars_os().map(|(name, _)| name);
        for name in theirs.filter(|name| name.to_string_lossy().starts_with("HELM_")) {
            helm.env_remove(name);
        }
        for what in ["CACHE", "CONFIG", "DATA"] {
            helm.env(format!("HELM_{what}_HOME"), self.home.path().join(what));
        }
        helm.env("KUBECONFIG", &self.kubeconfig);
        helm
    }
}
